"use strict";

const assert = require("node:assert");
const { test } = require("node:test");

const app = require("./app");

test("each visit is counted", async () => {
  const server = app.listen(0);
  const address = `http://localhost:${server.address().port}`;
  await fetch(address);
  assert.match(await (await fetch(address)).text(), /visitor number <strong>2</);
  assert.strictEqual((await (await fetch(`${address}/api/visitors`)).json()).visitors, 2);
  server.close();
  server.closeAllConnections();
});
