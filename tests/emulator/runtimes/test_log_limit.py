from gcpmlops.emulator.runtimes.log_limit import LogLimit

MIB = 1 << 20


def test_the_first_and_the_last_lines_stay() -> None:
    said: list[tuple[str, str, str]] = []
    log = LogLimit(lambda *line: said.append(line), limit=MIB, last=2)
    text = "x" * (MIB // 4 - 256)
    for number in range(10):
        log.line("workerpool0-0", "stdout", text[:-1] + str(number))
    log.line("service", "stderr", "a word of the service's own")
    log.close()
    assert [line[2][-1] for line in said if line[0] == "workerpool0-0"] == list("012389")
    assert [line[2] for line in said if line[0] == "service"] == [
        "The log of this job has grown over 1 MiB: from here on lines are left out; "
        "the last 2 are written when the job ends.",
        "a word of the service's own",
        "4 lines (1.0 MiB) were left out of the log here.",
    ]


def test_a_log_within_the_limit_is_whole() -> None:
    said: list[tuple[str, str, str]] = []
    log = LogLimit(lambda *line: said.append(line))
    log.line("workerpool0-0", "stdout", "one")
    log.close()
    assert said == [("workerpool0-0", "stdout", "one")]
