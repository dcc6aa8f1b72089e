// What the browser test asks of a page: run after the page's own script, it writes what it found
// into an element that the test reads.
"use strict";
(() => {
  const found = { hidden: [], faint: [], wide: [], clashes: [], steps: [], ready_ms: performance.now() };
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const name = (node) => node.nodeName + "." + (node.getAttribute("class") || "") + "#" + node.id + " " +
    (node.textContent || "").trim().slice(0, 30);

  // Key parts have a size.
  const isIndex = !!one(".runs");
  const everywhere = ["header.banner", "header .icon", "h1", "#command", "#copy", "nav", "#reasons", "#checker", "#files"];
  const ofIndex = ["h1", ".tiles", ".runs", ".runs tbody th", ".runs a"];
  const drawn = [".tiles", "#core", "#timeline", "#tools", "#view", "#lanes", "#lanes svg", "#strip"];
  const timed = ["#latency svg.area", "#throughput svg.area"];
  const ofRun = ["#faults", "#heal", "#leaders", "#links table", "#nodes table", "#files a"];
  const isFile = !!one("#absent");
  const hasView = !!one("#view");
  for (const selector of [
    ...(isIndex ? ofIndex : everywhere), ...(hasView ? drawn : []),
    ...(isIndex ? [] : isFile ? ["#absent"] : ofRun),
    ...(hasView && !report.data.events ? timed : []),
  ]) {
    const node = one(selector);
    const box = node ? node.getBoundingClientRect() : { width: 0, height: 0 };
    if (box.width < 8 || box.height < 8) found.hidden.push(selector);
  }

  // The page does not scroll sideways.
  const limit = document.documentElement.clientWidth + 1;
  if (document.documentElement.scrollWidth > limit) {
    found.wide.push("page: " + document.documentElement.scrollWidth + " in " + limit);
    for (const node of all("main *")) {
      if (node.closest(".scroll") || node.closest("svg")) continue;
      if (node.getBoundingClientRect().right > limit) found.wide.push(name(node));
    }
  }

  // In a narrow window nothing scrolls inside of the page, opened or not.
  found.scrolls = [];
  if (innerWidth < 500) {
    for (const closed of all("details")) closed.open = true;
    for (const node of all("body *")) {
      const { overflowX, overflowY } = getComputedStyle(node);
      const sideways = /auto|scroll/.test(overflowX) && node.scrollWidth > node.clientWidth + 1;
      const down = /auto|scroll/.test(overflowY) && node.scrollHeight > node.clientHeight + 1;
      if (sideways || down) found.scrolls.push(name(node));
    }
    if (document.documentElement.scrollWidth > limit) found.scrolls.push("the page");
    for (const closed of all("details")) closed.open = false;
  }

  // Text has the contrast that WCAG 2.2 asks for: 4.5, or 3 where it is large.
  const parse = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : Math.pow((share + 0.055) / 1.055, 2.4);
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  for (const node of all("body *")) {
    const words = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!words || node.closest("script, .in-bar, .unseen, .skip, option")) continue;
    const box = node.getBoundingClientRect();
    const style = getComputedStyle(node);
    if (box.width === 0 || style.visibility === "hidden") continue;
    const ink = parse(node.namespaceURI.endsWith("svg") ? style.fill : style.color).slice(0, 3);
    const [low, high] = [light(ink), light(ground(node))].sort((x, y) => x - y);
    const ratio = (high + 0.05) / (low + 0.05);
    const needed = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if (ratio < needed) faint.add(name(node) + " " + ratio.toFixed(2));
  }
  found.faint = [...faint];

  // Labels of an axis do not lie over each other.
  const clash = (group, labels) => {
    const boxes = labels.map((node) => node.getBoundingClientRect()).filter((box) => box.width > 0);
    for (const [index, box] of boxes.entries()) {
      for (const other of boxes.slice(index + 1)) {
        const over = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const under = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        if (over > 1 && under > 2) found.clashes.push(group + " at " + Math.round(box.left));
      }
    }
  };
  for (const axis of all(".axis")) clash("axis", [...axis.children]);
  for (const gutter of all(".plot > .gutter")) clash("gutter", [...gutter.children]);
  clash("times", all(".order .tick"));
  clash("words", all(".bars .words span").filter((node) => getComputedStyle(node).visibility !== "hidden"));

  // Controls do what they say.
  if (hasView) controls();
  function controls() {
  const expect = (what, holds) => { if (!holds) found.steps.push(what); };
  const press = (key) => one("#view").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const act = (name) => one('[data-do="' + name + '"]').click();
  const width = () => report.view.to - report.view.from;
  const whole = width();
  expect("whole run at first", report.view.from === 0 && width() === report.whole);
  act("in");
  expect("zoom in halves the window", Math.abs(width() - whole / 2) < whole / 100);
  const layer = one("#lanes .z").getBoundingClientRect;
  expect("the drawing is wider", parseFloat(one("#lanes .z").getAttribute("width")) > 150);
  expect("bars move with it", parseFloat(one(".bars .z").style.width) > 150 && !!layer);
  const before = report.view.from;
  press("ArrowLeft");
  expect("left arrow goes back", report.view.from < before);
  press("ArrowRight");
  expect("right arrow goes on", Math.abs(report.view.from - before) < whole / 1000);
  press("+");
  expect("plus zooms in", width() < whole / 3);
  press("-");
  press("-");
  press("-");
  expect("minus zooms out and stops", width() === whole);
  for (let step = 0; step < 60; step += 1) press("+");
  expect("zooming in ends somewhere", width() > 0 && Number.isFinite(width()));
  press("Home");
  expect("home shows all", width() === whole);
  act("first");
  if (report.data.core) {
    expect("first error shows the core", report.view.from <= report.data.core[0] && report.view.to >= report.data.core[1]);
    const room = (report.data.core[1] - report.data.core[0]) * 2 + 4000;
    expect("it is zoomed", width() < whole || room > whole);
    expect("it is said", one("#readout").textContent.includes("counterexample"));
  }
  const errors = report.data.errors;
  const shows = (at) => report.view.from <= at && report.view.to >= at;
  if (errors.length > 0) {
    if (!report.data.core) expect("first error shows the first", shows(errors[0]));
    act("all");
    act("next");
    expect("next error shows the next", shows(errors[(report.data.core ? 0 : 1) % errors.length]));
  }
  act("all");
  const select = one("#key");
  if (report.data.order.length > 0) {
    expect("keys are offered", select.options.length >= report.data.order.length + 1);
    select.value = String(report.data.order[0]);
    select.dispatchEvent(new Event("change", { bubbles: true }));
    expect("the cells give way", getComputedStyle(one("#bins")).display === "none");
    expect("the key is drawn", !!one("#lanes .over"));
    select.value = "-1";
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }
  expect("the cells are back", getComputedStyle(one("#bins")).display !== "none" || report.data.total <= 3000);
  const go = one("#faults [data-from]");
  if (go) {
    go.click();
    expect("a fault can be shown", width() < whole);
    act("all");
  }
  const lanes = one("#lanes").getBoundingClientRect();
  one("#lanes").dispatchEvent(new PointerEvent("pointermove", { clientX: lanes.left + 5, clientY: lanes.top + 5, bubbles: true }));
  expect("the pointer reads the lanes", one("#readout").textContent.length > 3);
  }

  found.dark = matchMedia("(prefers-color-scheme: dark)").matches;
  found.narrow = innerWidth < 400;
  found.said = isIndex ? "" : one("#script-errors").textContent;
  const text = JSON.stringify(found);
  if (window.parent !== window) window.parent.postMessage(text, "*");
  const place = document.createElement("pre");
  place.id = "probe";
  place.textContent = text;
  document.body.append(place);
})();
