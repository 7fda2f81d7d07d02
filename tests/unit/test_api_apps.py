from api_fakes import running_api


async def test_create_list_show_and_destroy_an_app(tmp_path):
    async with running_api(tmp_path) as api:
        made = await api("POST", "/apps", {"name": "hello"})
        assert (made.status, made.headers["Hostd-Release"]) == (201, "1")
        app = made.data
        assert app["name"] == "hello"
        assert app["owner"] == {"email": "you@example.com", "id": api.users["you"].id}
        assert app["git_url"] == "https://git.localhost/hello.git"
        assert app["ssh_url"] == "ssh://git@localhost:2222/hello.git"
        assert app["web_url"] == "http://hello.localhost/"
        assert app["slug_size"] is None and app["repo_size"] is None
        assert app["created_at"].endswith("Z") and "." not in app["created_at"]
        assert api.log == [
            "heroku[api]: Initial release by you@example.com",
            "heroku[api]: Release v1 created by you@example.com",
        ]

        assert [row["name"] for row in (await api("GET", "/apps")).data] == ["hello"]
        by_id = await api("GET", f"/apps/{app['id']}")
        assert by_id.data == app | {"repo_size": 0}

        assert (await api("DELETE", "/apps/hello")).status == 200
        assert ("forget", "hello") in api.manager.calls
        gone = await api("GET", "/apps/hello")
        message = "Couldn't find that app: 'hello'. Your apps: hostctl apps\n"
        assert (gone.status, gone.data["id"]) == (404, "not_found") and gone.data["message"].startswith(message)
        assert (await api("POST", "/apps", {"name": "hello"})).status == 201


async def test_a_list_shows_each_app_as_it_is_shown_alone_and_asks_the_ledger_once_for_all(tmp_path):
    async with running_api(tmp_path) as api:
        api.user, statements = "kate@example.com", []
        for number, owner in enumerate(("kate", "you", "ann") * 4):
            app = api.ledger.apps.create(f"app-{number}", api.users[owner].id)
            for _ in range(number % 3):
                release = api.deployed(app)
            if number % 2:
                api.ledger.acm.enable(app.id)
        api.ledger.releases.append(
            app.id, slug_id=release.slug_id, config={}, description="Moved", user=api.users["ann"], stack="debian-12@1"
        )
        api.ledger._database._db.conn.set_trace_callback(statements.append)
        listed = (await api("GET", "/apps")).data
        assert len(statements) < 12
        assert listed == [(await api("GET", f"/apps/{app['id']}")).data | {"repo_size": None} for app in listed]
        assert len({(app["acm"], app["owner"]["email"], app["slug_size"], app["stack"]["name"]) for app in listed}) > 4
        some = {"in": {"id": [app["id"] for app in listed[3:6]]}}
        mine = {app["id"] for app in (await api("GET", "/users/~/apps")).data}
        assert (await api("POST", "/filters/apps", some)).data == [
            app | {"joined": app["id"] in mine, "locked": False} for app in listed[3:6]
        ]


async def test_an_app_without_a_name_gets_one(tmp_path):
    async with running_api(tmp_path) as api:
        assert (await api("POST", "/apps")).data["name"].count("-") == 2
        assert (await api("POST", "/apps", {"name": None})).status == 201


async def test_bad_names_are_refused_and_nothing_changes(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "taken"})
        for name in ("", "ab", "a" * 31, "..", "-a", "Großstadt", "api", "a/b", "a--b-", "a\nb"):
            refused = await api("POST", "/apps", {"name": name})
            assert (refused.status, refused.data["id"]) == (422, "invalid_params"), name
        taken = await api("POST", "/apps", {"name": "taken"})
        assert (taken.status, taken.data["id"]) == (422, "invalid_params")
        assert taken.data["message"].startswith("Name taken is already taken")
        assert (await api("POST", "/apps", {"name": 7})).status == 422
        assert [app.name for app in api.ledger.apps.list()] == ["taken"]


async def test_sizes_of_slug_and_repository_are_shown(tmp_path):
    async with running_api(tmp_path) as api:
        app = api.ledger.apps.create("hello", api.users["you"].id)
        api.deployed(app)
        repository = tmp_path / "master" / "repos" / f"{app.id}.git" / "objects"
        repository.mkdir(parents=True)
        (repository / "pack").write_bytes(b"x" * 1000)
        shown = (await api("GET", "/apps/hello")).data
        assert (shown["slug_size"], shown["repo_size"]) == (12_345, 1000)
        assert shown["buildpack_provided_description"] == "Python"


async def test_access_is_for_owner_collaborators_and_admins(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "hello"})
        api.user = "ann@example.com"
        refused = await api("GET", "/apps/hello/dynos")
        assert (refused.status, refused.data["id"]) == (404, "not_found")
        assert refused.data["message"] == (await api("GET", "/apps/nope")).data["message"].replace("nope", "hello")
        assert (await api("GET", "/apps")).data == []

        api.user = "you@example.com"
        added = await api("POST", "/apps/hello/collaborators", {"user": "ann@example.com"})
        assert (added.status, added.data["role"]) == (201, "collaborator")
        roles = [(row["user"]["email"], row["role"]) for row in (await api("GET", "/apps/hello/collaborators")).data]
        assert roles == [("you@example.com", "owner"), ("ann@example.com", "collaborator")]

        api.user = "ann@example.com"
        assert (await api("GET", "/apps/hello/dynos")).status == 200
        assert (await api("DELETE", "/apps/hello")).status == 403
        assert (await api("PATCH", "/apps/hello", {"name": "mine"})).status == 403
        assert (await api("POST", "/apps/hello/collaborators", {"user": "kate@example.com"})).status == 403
        assert (await api("DELETE", "/apps/hello/collaborators/ann@example.com")).status == 200  # leaving
        assert (await api("GET", "/apps/hello")).status == 404

        api.user = "kate@example.com"
        assert (await api("DELETE", "/apps/hello")).status == 200


async def test_collaborators_that_cannot_be(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "hello"})
        unknown = await api("POST", "/apps/hello/collaborators", {"user": "who@example.com"})
        assert unknown.status == 404 and "hostctl users:add who@example.com" in unknown.data["message"]
        assert (await api("POST", "/apps/hello/collaborators", {"user": "you@example.com"})).status == 409
        assert (await api("POST", "/apps/hello/collaborators", {"user": 7})).status == 422
        assert (await api("DELETE", "/apps/hello/collaborators/ann@example.com")).status == 404


async def test_rename_and_maintenance(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "hello"})
        assert (await api("PATCH", "/apps/hello", {"name": "world"})).data["git_url"].endswith("/world.git")
        shown = await api("PATCH", "/apps/world", {"maintenance": True})
        assert shown.data["maintenance"] is True
        assert api.log[-1] == "heroku[api]: Set maintenance mode on by you@example.com"
        assert (await api("PATCH", "/apps/world", {"maintenance": "yes"})).status == 422
        assert (await api("PATCH", "/apps/world", {"stack": "other"})).status == 422


async def test_an_app_is_not_destroyed_under_a_deploy(tmp_path):
    async with running_api(tmp_path) as api:
        await api("POST", "/apps", {"name": "hello"})
        api.deploys.busy = "ann@example.com is deploying 20a5742"
        refused = await api("DELETE", "/apps/hello")
        assert refused.status == 409 and refused.data["message"].startswith("ann@example.com is deploying 20a5742.")
        assert (await api("GET", "/apps/hello")).status == 200
