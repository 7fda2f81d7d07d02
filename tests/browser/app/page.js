"use strict";

// By which protocol each part of the page came.
function protocols() {
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return Object.fromEntries(entries.map((entry) => [new URL(entry.name).pathname, entry.nextHopProtocol]));
}

// All events; the server sends each when it knows that the one before was seen.
function events() {
  return new Promise((resolve) => {
    const seen = [];
    const source = new EventSource("/events");
    source.onmessage = async (event) => {
      seen.push(event.data);
      await fetch(`/seen/${event.data}`, { method: "POST" });
    };
    source.onerror = () => {
      source.close();
      resolve(seen);
    };
  });
}

// What a socket says: by what the request came first, then what it is told.
function echoes(messages) {
  return new Promise((resolve) => {
    const heard = [];
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/socket`);
    socket.onmessage = (event) => {
      heard.push(event.data);
      if (heard.length <= messages.length) {
        socket.send(messages[heard.length - 1]);
      } else {
        socket.close(1000, "enough");
      }
    };
    socket.onclose = (event) => resolve({ heard, code: event.code, reason: event.reason, clean: event.wasClean });
  });
}

// What the server found in a body of so many MiB, each of one number.
async function upload(count) {
  const parts = Array.from({ length: count }, (_, number) => new Uint8Array(1 << 20).fill(number));
  const answer = await fetch("/upload", { method: "POST", body: new Blob(parts) });
  return answer.json();
}
