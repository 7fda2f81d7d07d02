import pytest

from hostd import errors

KINDS = [kind for kind in errors._KINDS]


def test_a_refusal_becomes_an_api_answer_with_its_own_id_and_status():
    assert errors.to_api(errors.NotFound("There is no app 'x'.")) == (
        404,
        {"id": "not_found", "message": "There is no app 'x'."},
    )


def test_an_unexpected_error_reveals_nothing_of_its_inside():
    status, body = errors.to_api(ValueError("secret=hunter2"))
    assert (status, body["id"]) == (500, "internal_server_error")
    assert "hunter2" not in body["message"]
    text, code = errors.to_terminal(ValueError("secret=hunter2"))
    assert "hunter2" not in text
    assert code == 70


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_gets_the_error_back_that_the_daemon_raised(kind):
    status, body = errors.to_api(kind("Why. What next."))
    error = errors.from_api(status, body)
    assert type(error) is kind
    assert errors.to_api(error) == (status, body)


@pytest.mark.parametrize(
    ("status", "body", "kind", "id"),
    [
        (502, None, errors.Internal, "internal_server_error"),
        (404, {}, errors.NotFound, "not_found"),
        (409, {"id": "stale", "message": "Too late."}, errors.Conflict, "stale"),
        (418, {"id": 7, "message": None}, errors.Internal, "7"),
    ],
)
def test_answers_of_another_version_still_become_errors(status, body, kind, id):
    error = errors.from_api(status, body)
    assert (type(error), error.status, error.id) == (kind, status, id)
    assert error.message


def test_every_line_on_a_terminal_is_marked_as_herokus():
    text, code = errors.to_terminal(errors.Invalid("First.\nSecond."))
    assert text == " !    First.\n !    Second."
    assert code == 1


def test_escape_sequences_in_a_message_do_not_reach_the_terminal():
    text, _ = errors.to_terminal(errors.Invalid("No app \x1b[31mred\x07 \u202egnp"))
    assert text == " !    No app \\x1b[31mred\\x07 \\u202egnp"


def test_an_interrupted_command_ends_as_shells_expect():
    assert errors.to_terminal(KeyboardInterrupt()) == ("", 130)


def test_a_part_that_does_not_answer_has_an_exit_code_of_its_own():
    assert errors.to_terminal(errors.Unavailable("hostd does not answer."))[1] == 69
