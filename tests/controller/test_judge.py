"""Judging real animals' records: the same kernels, any table of two animals' pokes."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.judge import HEADER, RecordError, judge, read, write
from realtime.records import NS_PER_S, Outcome
from tests.realtime.oracle import Poke, cooperation

S = NS_PER_S
SUCCESS, MISS, OMISSION = Outcome.SUCCESS, Outcome.MISS, Outcome.OMISSION
RATS = Path(__file__).resolve().parents[3] / "shared" / "data" / "rat_pair" / "presses.csv"


@pytest.fixture
def table(tmp_path):
    """A writer of files: one string of lines."""

    def write_table(text):
        path = tmp_path / "pokes.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write_table


def refusal(path):
    with pytest.raises(RecordError) as caught:
        read(path)
    return str(caught.value).removeprefix(f"{path}: ")


def rows_of(verdicts):
    return [(v.trial, v.start_ns, v.outcome, v.lag_ns) for v in verdicts]


# -- real rats ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RATS.is_file(), reason="the recording of two rats is not here: ../shared/data/rat_pair")
def test_two_rats_are_judged_as_their_own_lab_did_but_for_the_trial_that_rounding_hides():
    verdicts = judge(read(RATS), round(1.25 * S), iti_ns=0)
    with RATS.open(newline="", encoding="utf-8") as stream:
        recorded = {row["trial"]: row["recorded_success"] == "1" for row in csv.DictReader(stream)}
    assert [v.trial for v in verdicts] == list(recorded)
    assert len(verdicts) == 263
    differing = [v for v in verdicts if (v.outcome == SUCCESS) != recorded[v.trial]]
    assert [(v.trial, v.lag_ns) for v in differing] == [("8", round(1.26 * S))]


@pytest.mark.skipif(not RATS.is_file(), reason="the recording of two rats is not here: ../shared/data/rat_pair")
def test_a_window_one_rounding_step_wider_explains_the_trial_that_differs():
    verdicts = {v.trial: v.outcome for v in judge(read(RATS), round(1.26 * S), iti_ns=0)}
    assert verdicts["8"] == SUCCESS


# -- with a column of trials -------------------------------------------------------------------------------------------


def test_each_trial_is_judged_from_its_first_poke(table):
    path = table("t_s,animal,trial\n1.0,A,one\n1.5,B,one\n9,B,two\n9.2,B,two\n10.5,A,two\n11,A,three\n")
    assert rows_of(judge(read(path), S, iti_ns=5 * S)) == [
        ("one", S, SUCCESS, S // 2),
        ("two", 9 * S, MISS, 3 * S // 2),
        ("three", 11 * S, MISS, None),
    ]


def test_the_bound_of_the_window_is_inclusive_to_the_nanosecond(table):
    on, beyond = "t_s,animal,trial\n0,A,1\n1.000000000,B,1\n", "t_s,animal,trial\n0,A,1\n1.000000001,B,1\n"
    assert judge(read(table(on)), S, iti_ns=0)[0].outcome == SUCCESS
    assert judge(read(table(beyond)), S, iti_ns=0)[0].outcome == MISS


def test_a_partner_on_the_bound_counts_even_after_another_poke_of_that_instant(table):
    rows = "0,A,1\n1,A,1\n1,B,1\n"
    assert judge(read(table("t_s,animal,trial\n" + rows)), S, iti_ns=0)[0].outcome == SUCCESS


def test_two_pokes_at_the_same_time_succeed_without_a_lag(table):
    verdicts = judge(read(table("t_s,animal,trial\n2,B,1\n2,A,1\n")), S, iti_ns=0)
    assert rows_of(verdicts) == [("1", 2 * S, SUCCESS, 0)]


def test_the_animals_may_have_any_two_names_and_other_columns_do_not_matter(table):
    path = table("note,animal,t_s,trial\nx,Tom, 1 ,1\ny, Ann ,1.5,1\n")
    pokes = read(path)
    assert pokes.names == ("Ann", "Tom")
    assert pokes.animal.tolist() == [1, 0]
    assert judge(pokes, S, iti_ns=0)[0].outcome == SUCCESS


def test_times_before_zero_are_times_like_others(table):
    verdicts = judge(read(table("t_s,animal,trial\n-5.5,A,1\n-5,B,1\n")), S, iti_ns=0)
    assert rows_of(verdicts) == [("1", -11 * S // 2, SUCCESS, S // 2)]


def test_a_file_from_a_spreadsheet_with_a_byte_order_mark_is_read(table):
    assert read(table("\ufefft_s,animal\n1,A\n2,B\n")).t_ns.tolist() == [S, 2 * S]


# -- without one -------------------------------------------------------------------------------------------------------


def test_without_trials_the_tasks_own_trials_apply(table):
    path = table("t_s,animal\n10,A\n10.5,B\n11,A\n20,B\n22,A\n26,A\n26.1,B\n")
    assert rows_of(judge(read(path), S, iti_ns=3 * S)) == [
        ("1", 10 * S, SUCCESS, S // 2),
        ("2", 20 * S, MISS, 2 * S),
        ("3", 26 * S, SUCCESS, S // 10),
    ]


def test_the_last_pokes_window_is_waited_for(table):
    verdicts = judge(read(table("t_s,animal\n10,A\n10.5,B\n20,B\n")), S, iti_ns=3 * S)
    assert rows_of(verdicts)[-1] == ("2", 20 * S, MISS, None)


def test_omissions_between_far_pokes_are_all_decided(table):
    path = table("t_s,animal\n0,A\n0.5,B\n20000,A\n20000.5,B\n")
    verdicts = judge(read(path), S, iti_ns=S, limit_ns=S)
    outcomes = [v.outcome for v in verdicts]
    assert outcomes[0] == outcomes[-1] == SUCCESS
    assert outcomes[1:-1] == [OMISSION] * 9999


@given(
    st.lists(st.tuples(st.integers(0, 400).map(lambda i: i * S // 4), st.integers(0, 1)), min_size=2, max_size=60),
    st.integers(1, 8).map(lambda i: i * S // 4),
    st.integers(1, 12).map(lambda i: i * S // 4),
)
@settings(deadline=None, max_examples=60, database=None)
def test_any_record_is_judged_as_the_oracle_judges_it(tmp_path_factory, pokes, window_ns, iti_ns):
    pokes = sorted([*pokes, (0, 0), (0, 1)])
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("t_s,animal\n" + "".join(f"{t / S},{'AB'[who]}\n" for t, who in pokes), encoding="utf-8")
    expected = cooperation(
        [Poke(*poke) for poke in pokes],
        start_ns=-iti_ns - 1,
        itis_ns=[iti_ns] * 200,
        window_ns=window_ns,
        limit_ns=None,
        drink_ns=0,
        timeout_ns=0,
    )
    verdicts = judge(read(path), window_ns, iti_ns=iti_ns)
    assert [(v.trial, v.outcome.name) for v in verdicts] == [(str(d.trial), d.outcome) for d in expected]
    ends = [v.start_ns + (v.lag_ns if v.outcome == SUCCESS else window_ns) for v in verdicts]
    assert ends == [d.t_ns for d in expected]


# -- written -----------------------------------------------------------------------------------------------------------


def test_decisions_are_written_with_a_row_per_trial_and_no_lag_where_there_is_none(table):
    path = table("t_s,animal,trial\n0.89,A,1\n1.2,B,1\n11.35,A,2\n")
    stream = io.StringIO()
    write(judge(read(path), S, iti_ns=0), stream)
    assert stream.getvalue() == ("trial,start_s,outcome,lag_s\n1,0.890000000,SUCCESS,0.31\n2,11.350000000,MISS,\n")
    assert stream.getvalue().startswith(",".join(HEADER))


# -- refused, by row ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("t_s,animal\n1,A\n3,B\n2,A\n", "row 4: t_s 2 is earlier than the row before; sort the rows by t_s"),
        ("t_s,animal\n1,A\nnan,B\n", "row 3: t_s is nan; remove the row or give its time"),
        ("t_s,animal\n1,A\n2,B\ninf,B\n", "row 4: t_s is inf; remove the row or give its time"),
        ("t_s,animal\n-inf,A\n2,B\n", "row 2: t_s is -inf; remove the row or give its time"),
        ("t_s,animal\n1,A\nsoon,B\n", "row 3: t_s is 'soon', which is no number of seconds"),
        ("t_s,animal\n1,A\n,B\n", "row 3: t_s is '', which is no number of seconds"),
        ("t_s,animal\n1,A\n2e9,B\n", "row 3: t_s is 2e9 s, longer than any session; is it in another unit?"),
        ("t_s,animal\n1,A\n2,\n", "row 3: the animal is missing"),
        ("t_s,animal\n1,A\n2\n", "row 3: the animal is missing"),
        ("t_s,animal\n1,A\n2,A\n3,A\n", "row 4: the table ends and 'A' is its only animal"),
        ("t_s,animal\n1,A\n2,B\n3,C\n", "row 4: 'C' is a third animal, after 'A' and 'B'"),
        ("t_s,animal,trial\n1,A,1\n2,B,\n", "row 3: the trial is missing"),
        (
            "t_s,animal,trial\n1,A,1\n2,B,2\n3,B,1\n",
            "row 4: trial 1 goes on after another one began; sort the rows",
        ),
        ("t_s,animal\n", "row 2 is missing: the table has no pokes"),
        (
            "time,animal\n1,A\n",
            "row 1 names no column t_s; the columns are t_s,animal and, if there are trials, trial",
        ),
        ("t_s\n1\n", "row 1 names no column animal; the columns are t_s,animal and, if there are trials, trial"),
        ("", "row 1 names no column t_s or animal; the columns are t_s,animal and, if there are trials, trial"),
    ],
)
def test_a_table_that_cannot_be_judged_is_refused_by_its_row(table, text, sentence):
    assert refusal(table(text)) == sentence


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert refusal(tmp_path / "none.csv") == "there is no such file"


def test_a_folder_is_refused(tmp_path):
    assert refusal(tmp_path).startswith("cannot be read as a CSV table")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "binary.csv"
    path.write_bytes(b"t_s,animal\n\xff\xfe,A\n")
    assert refusal(path).startswith("cannot be read as a CSV table")
