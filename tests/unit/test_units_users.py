from units.users import sysusers_line, user_name


def test_a_uid_gets_a_locked_account_named_after_it():
    assert user_name(200_001) == "hostd-200001"
    assert sysusers_line(200_001) == 'u hostd-200001 200001 "hostd app" /app -\n'
