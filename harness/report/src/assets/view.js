// The window of time that all charts show, and the ways to move it.
//
// Every drawing on the time axis sits in an element of class "z" that is as wide as its frame.
// Zooming makes that element wider and moves it; letters and hatches keep their size.

(() => {
  const { data, element, seconds } = report;
  const whole = Math.max(data.end, 1);
  const narrowest = Math.min(whole, Math.max(data.events ? 2000 : 200, whole / 50000));
  const view = { from: 0, to: whole };
  report.view = view;
  report.whole = whole;

  const layers = [...document.querySelectorAll(".z")];
  const labels = [...document.querySelectorAll(".words")].map((words) => ({
    span: words.firstChild,
    left: parseFloat(words.style.left),
    width: parseFloat(words.style.width),
    bar: parseFloat(words.previousElementSibling.style.width),
  }));
  const axes = [...document.querySelectorAll(".axis")];

  report.show = (from, to) => {
    let width = Math.min(Math.max(to - from, narrowest), whole);
    const middle = (from + to) / 2;
    view.from = Math.min(Math.max(middle - width / 2, 0), whole - width);
    view.to = view.from + width;
    draw();
  };

  function draw() {
    const scale = whole / (view.to - view.from);
    const left = (-view.from / whole) * scale * 100;
    for (const layer of layers) {
      if (layer.namespaceURI.endsWith("svg")) {
        layer.setAttribute("x", left + "%");
        layer.setAttribute("width", scale * 100 + "%");
      } else {
        layer.style.left = left + "%";
        layer.style.width = scale * 100 + "%";
      }
    }
    for (const axis of axes) label(axis);
    for (const words of labels) keepInSight(words);
    const zoomed = scale > 1.0001;
    element("window").textContent = zoomed
      ? seconds(view.from) + " to " + seconds(view.to) + ", " + scale.toFixed(scale < 10 ? 1 : 0) + " times"
      : button("all").textContent.toLowerCase();
    button("out").disabled = !zoomed;
    button("all").disabled = !zoomed;
    button("left").disabled = !zoomed || view.from <= 0;
    button("right").disabled = !zoomed || view.to >= whole;
    for (const part of report.parts) part();
  }

  // Words of a bar that begins before the window stand at the window's edge.
  function keepInSight({ span, left, width, bar }) {
    const from = (view.from / whole) * 100;
    const hidden = from > left && from < left + bar ? (from - left) / width : 0;
    span.style.marginLeft = hidden * 100 + "%";
  }

  function button(name) {
    return document.querySelector('[data-do="' + name + '"]');
  }

  function step(span) {
    const power = Math.pow(10, Math.floor(Math.log10(span / 8)));
    return [1, 2, 5, 10].map((factor) => factor * power).find((size) => span / size <= 8);
  }

  function label(axis) {
    const span = view.to - view.from;
    const size = Math.max(step(span), data.events ? 1000 : 1);
    const decimals = Math.min(6, Math.max(0, 6 - Math.floor(Math.log10(size) + 1e-9)));
    axis.replaceChildren();
    for (let at = Math.ceil(view.from / size) * size; at <= view.to; at += size) {
      const tick = document.createElement("span");
      const place = ((at - view.from) / span) * 100;
      tick.style.left = place + "%";
      tick.style.transform = place < 2 ? "none" : place > 98 ? "translateX(-100%)" : "";
      if (!axis.firstChild && place >= 2) tick.style.transform = "translateX(-50%)";
      tick.textContent = data.events
        ? report.count(report.event(at))
        : (data.start > 0 ? "+" : "") + (at / 1e6).toFixed(decimals) + " s";
      axis.append(tick);
    }
  }

  function zoom(factor) {
    const middle = (view.from + view.to) / 2;
    const half = ((view.to - view.from) / 2) * factor;
    report.show(middle - half, middle + half);
  }

  function move(share) {
    const by = (view.to - view.from) * share;
    report.show(view.from + by, view.to + by);
  }

  const around = (from, to) => {
    const room = Math.max((to - from) * 0.25, whole / 400, 2000);
    report.show(from - room, to + room);
  };

  // Where "next error" stands in the list; -1 is before its start.
  let error = -1;
  function firstError() {
    if (!data.core) {
      error = -1;
      return nextError();
    }
    error = -1;
    around(data.core[0], data.core[1]);
    report.say("The counterexample, " + seconds(data.core[0]) + " to " + seconds(data.core[1]) + ".");
  }

  function nextError() {
    if (data.errors.length === 0) {
      report.say("Nothing failed and nothing is unknown.");
      return;
    }
    error = (error + 1) % data.errors.length;
    const at = data.errors[error];
    around(at - whole / 100, at + whole / 200);
    report.say("Error " + (error + 1) + " of " + data.errors.length + ", at " + seconds(at) + ".");
  }

  report.say = (text) => {
    element("readout").textContent = text;
  };

  const actions = {
    in: () => zoom(0.5),
    out: () => zoom(2),
    left: () => move(-0.25),
    right: () => move(0.25),
    all: () => report.show(0, whole),
    first: firstError,
    next: nextError,
  };
  element("tools").addEventListener("click", (event) => {
    const action = event.target.closest("[data-do]");
    if (action) actions[action.dataset.do]();
  });

  const keys = {
    "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", Home: "all",
  };
  const frame = element("view");
  frame.tabIndex = 0;
  frame.setAttribute("aria-keyshortcuts", "+ - ArrowLeft ArrowRight Home");
  frame.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[action]();
  });

  document.addEventListener("click", (event) => {
    const go = event.target.closest("[data-from], [data-go]");
    if (!go) return;
    const [from, to] = go.dataset.go ? data.core : [Number(go.dataset.from), Number(go.dataset.to)];
    around(from, to);
    element("timeline").scrollIntoView();
    frame.focus({ preventScroll: true });
  });

  // Dragging moves the window; the buttons and the keys do the same.
  const lanes = element("lanes");
  let held = null;
  lanes.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType === "mouse") held = { x: event.clientX, from: view.from };
  });
  window.addEventListener("pointermove", (event) => {
    if (!held) return;
    const width = lanes.getBoundingClientRect().width;
    const span = view.to - view.from;
    const from = held.from - ((event.clientX - held.x) / width) * span;
    if (Math.abs(event.clientX - held.x) > 3) report.show(from, from + span);
  });
  window.addEventListener("pointerup", () => { held = null; });
  report.draw = draw;
})();
