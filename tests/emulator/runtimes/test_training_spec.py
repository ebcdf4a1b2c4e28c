from gcpmlops.emulator.runtimes.training_spec import Pool, TrainingSpec, expand, expand_all, replicas


def test_replicas_skip_an_empty_pool() -> None:
    pools = [Pool("i"), Pool("i", replicas=2), None, Pool("i")]
    found = [replica.name for replica in replicas(TrainingSpec("7", "123", "us-central1", pools))]
    assert found == ["workerpool0-0", "workerpool1-0", "workerpool1-1", "workerpool3-0"]


def test_expansion() -> None:
    known = {"A": "1"}
    assert expand("$(A) $(B) $$(A) $(date)", known) == "1 $(B) $(A) $(date)"
    assert expand_all({"X": "$(A)2", "Y": "$(X)3", "Z": "$(LATER)", "LATER": "x"}, known) == {
        "X": "12",
        "Y": "123",
        "Z": "$(LATER)",
        "LATER": "x",
    }
