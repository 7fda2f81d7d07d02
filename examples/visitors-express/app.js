"use strict";

const path = require("node:path");
const compression = require("compression");
const express = require("express");

const started = new Date();
let visitors = 0;

const app = express();
app.set("view engine", "ejs");
app.set("views", path.join(__dirname, "views"));
app.set("trust proxy", true);
app.disable("x-powered-by");
app.use(compression());
app.use("/static", express.static(path.join(__dirname, "public"), { maxAge: "1h" }));

function facts() {
  return {
    visitors,
    since: started.toISOString(),
    node: process.version,
    dyno: process.env.DYNO || "your own machine",
    release: process.env.HOSTD_RELEASE || "no release",
  };
}

app.get("/", (request, response) => {
  visitors += 1;
  response.render("home", facts());
});

app.get("/api/visitors", (request, response) => response.json(facts()));

module.exports = app;
