// Shows the planet that the address names: /planets/mars. The server answers all of these with index.html.
const planets = await (await fetch("/planets.json")).json();
const nav = document.querySelector("#planets");
const main = document.querySelector("#planet");

function show() {
  const name = location.pathname.split("/")[2];
  const planet = planets.find((each) => each.name === name);
  for (const link of nav.children) {
    link.toggleAttribute("aria-current", link.textContent === name);
  }
  if (!planet) {
    main.textContent = name ? `There is no planet named ${name}.` : "Choose one.";
    return;
  }
  const facts = { Radius: `${planet.radius} km`, Moons: planet.moons, "A year": `${planet.year} of ours` };
  const list = document.createElement("dl");
  for (const [term, fact] of Object.entries(facts)) {
    list.append(element("dt", term), element("dd", fact));
  }
  main.replaceChildren(list);
}

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

for (const { name } of planets) {
  const link = element("a", name);
  link.href = `/planets/${name}`;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    history.pushState({}, "", link.href);
    show();
  });
  nav.append(link);
}
addEventListener("popstate", show);
show();
