// A page that counts its visitors, in the memory of one dyno: on $PORT, and gone in an orderly way on SIGTERM.
"use strict";

const app = require("./app");

const port = Number(process.env.PORT) || 5000;
const server = app.listen(port, "0.0.0.0", () => console.log(`Listening on port ${port}`));

// The router keeps connections open: stay longer than it waits.
server.keepAliveTimeout = 95_000;

process.on("SIGTERM", () => {
  console.log("Finishing the requests that are here");
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
