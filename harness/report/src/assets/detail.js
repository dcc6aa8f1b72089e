// Single operations in the lanes, the filter by key, and what lies under the pointer.

(() => {
  const { data, view, element, seconds, length, count } = report;
  const LANE = 22;
  const MOST_DRAWN = 3000;
  const ENDS = { o: "ok", f: "failed", i: "unknown", p: "never returned" };
  const lanes = element("lanes");
  const bins = element("bins");
  const select = element("key");
  const operations = unpack(data.ops);
  let chosen = -1;
  let layer = null;
  let drawn = [];

  function unpack(columns) {
    const places = columns.v.length > 0 ? new Map(columns.v.map((index, place) => [index, place])) : null;
    let call = 0;
    return columns.t.map((step, index) => {
      call += step;
      const place = places ? places.get(index) : index;
      return {
        call,
        end: call + columns.d[index],
        client: columns.c[index],
        f: columns.f[index],
        key: columns.k[index],
        how: columns.e[index],
        argument: place === undefined ? "" : columns.a[place],
        result: place === undefined ? "" : columns.r[place],
        known: place !== undefined,
      };
    });
  }

  function laneOf(client) {
    return Math.min(Math.floor(client / data.group), data.lanes.length - 1);
  }

  for (const key of data.order) {
    const option = document.createElement("option");
    option.value = key;
    option.textContent = data.keys[key];
    select.append(option);
  }
  if (data.keys.length > data.order.length) {
    const option = document.createElement("option");
    option.disabled = true;
    option.textContent = "and " + count(data.keys.length - data.order.length) + " more keys, not offered";
    select.append(option);
  }
  select.addEventListener("change", () => {
    chosen = Number(select.value);
    draw();
    describe();
  });

  function visible() {
    const shown = [];
    for (const operation of operations) {
      if (operation.call > view.to) break;
      if (operation.end < view.from) continue;
      if (chosen >= 0 && operation.key !== chosen) continue;
      shown.push(operation);
    }
    return shown;
  }

  // Draws single operations where there are few enough of them, else leaves the cells.
  function draw() {
    if (layer) layer.remove();
    layer = null;
    drawn = [];
    const shown = visible();
    const single = shown.length <= MOST_DRAWN || (data.complete && chosen >= 0);
    const all = data.complete && single;
    bins.style.display = all || chosen >= 0 ? "none" : "";
    if (all) {
      drawn = shown;
      layer = bars(shown);
    } else if (!data.complete && chosen >= 0) {
      layer = keyCells() || bars(shown);
    } else if (!data.complete && single && view.to - view.from < report.whole / 4) {
      drawn = shown;
      layer = bars(shown);
    }
    if (layer) lanes.append(layer);
  }

  function empty() {
    const svg = document.createElementNS(bins.namespaceURI, "svg");
    const box = lanes.getBoundingClientRect();
    svg.setAttribute("width", box.width);
    svg.setAttribute("height", data.lanes.length * LANE);
    svg.setAttribute("class", "over");
    svg.style.cssText = "position:absolute;left:0;top:0;pointer-events:none";
    svg.setAttribute("aria-hidden", "true");
    return [svg, box.width];
  }

  function add(svg, name, attributes, text) {
    const node = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text) node.textContent = text;
    svg.append(node);
  }

  function bars(shown) {
    const [svg, width] = empty();
    const scale = width / (view.to - view.from);
    const paths = { o: "", f: "", i: "", p: "" };
    const top = { o: 6.6, f: 1.6, i: 16.4, p: 16.4 };
    const high = { o: 8.8, f: 3.8, i: 3.8, p: 3.8 };
    const texts = [];
    for (const one of shown) {
      const x = Math.max((one.call - view.from) * scale, -4);
      const end = Math.min((one.end - view.from) * scale, width + 4);
      const wide = Math.max(end - x - 0.6, 1.4);
      const lane = laneOf(one.client) * LANE;
      const words = wide > 44 && data.group === 1 ? fitting(one, wide - 8) : "";
      const y = lane + (words ? 3.5 : top[one.how]);
      const tall = words ? 15 : high[one.how];
      paths[one.how] += "M" + x.toFixed(1) + " " + y + "h" + wide.toFixed(1) + "v" + tall + "h-" + wide.toFixed(1) + "z";
      if (words) texts.push([{ x: Math.max(x, 0) + 4, y: y + 11, class: "in-bar" }, words]);
    }
    add(svg, "path", { class: "ok s3", d: paths.o });
    add(svg, "path", { class: "fail", d: paths.f });
    add(svg, "path", { class: "info", d: paths.i + paths.p });
    for (const [place, words] of texts) add(svg, "text", place, words);
    return svg;
  }

  // Returns what an operation did in words that fit into so many pixels, or nothing.
  function fitting(one, room) {
    const key = one.key < 0 ? "" : data.keys[one.key];
    const argument = one.argument === "null" ? "" : one.argument;
    const mark = { o: "", f: "\u2717 ", i: "? ", p: "? " }[one.how];
    const short = mark + data.fs[one.f] + " " + key;
    const long = short + " " + argument;
    const answer = one.known && one.how === "o" && one.result !== "null" ? long + " \u2192 " + one.result : long;
    return [answer, long, short].find((words) => words.length * 6.3 <= room) || "";
  }

  // In long runs a key has counts over time but no lanes: one wide lane shows them.
  function keyCells() {
    const counts = data.by_key.find((one) => one.key === chosen);
    if (!counts) return null;
    const [svg, width] = empty();
    const scale = width / (view.to - view.from);
    const height = data.lanes.length * LANE - 4;
    const most = Math.max(1, ...counts.cells.map((cell) => cell[1] + cell[2] + cell[3]));
    for (const [bin, ok, fail, info] of counts.cells) {
      const x = (bin * counts.bin - view.from) * scale;
      const wide = Math.max(counts.bin * scale - 0.5, 1);
      if (x > width || x + wide < 0) continue;
      let foot = height + 2;
      for (const [kind, number] of [["ok", ok], ["fail", fail], ["info", info]]) {
        const tall = (number / most) * height;
        foot -= tall;
        if (number) add(svg, "rect", { class: kind, x, y: foot, width: wide, height: tall });
      }
    }
    return svg;
  }

  function describe() {
    if (chosen < 0) return report.say("All keys.");
    const name = data.keys[chosen];
    if (data.complete) {
      const shown = operations.filter((one) => one.key === chosen).length;
      return report.say("Key " + name + ": " + count(shown) + " operations, each drawn.");
    }
    report.say("Key " + name + ": counts over time of all clients together; the run is too long to draw each operation.");
  }

  function under(event) {
    const box = lanes.getBoundingClientRect();
    const at = view.from + ((event.clientX - box.left) / box.width) * (view.to - view.from);
    const lane = Math.floor((event.clientY - box.top) / LANE);
    const slack = ((view.to - view.from) / box.width) * 3;
    const hit = drawn.filter((one) =>
      laneOf(one.client) === lane && one.call - slack <= at && one.end + slack >= at);
    if (hit.length > 0) {
      hit.sort((one, other) => (one.how === "o") - (other.how === "o"));
      return words(hit[0]) + (hit.length > 1 ? " (and " + (hit.length - 1) + " more here)" : "");
    }
    if (bins.style.display !== "none" && data.lanes[lane]) {
      const bin = Math.floor(at / data.bin);
      const cell = data.lanes[lane].find((one) => one[0] === bin);
      const where = element("lane-names").children[lane].textContent + " at " + seconds(bin * data.bin) + ": ";
      if (!cell) return where + "nothing.";
      return where + count(cell[1]) + " ok, " + count(cell[2]) + " failed, " + count(cell[3]) + " unknown" +
        (cell[4] ? ", waiting" : "") + ".";
    }
    return seconds(at);
  }

  function words(one) {
    return "Client " + one.client + ": " + data.fs[one.f] + " " + (one.key < 0 ? "" : data.keys[one.key]) + " " +
      (one.argument === "null" ? "" : one.argument) + " \u2192 " + ENDS[one.how] +
      (one.result && one.result !== "null" ? " " + one.result : "") + ", " + seconds(one.call) + " to " +
      seconds(one.end) + " (" + length(one.end - one.call) + ")" +
      (one.known ? "" : "; its values are in the history");
  }

  const readout = element("readout");
  lanes.addEventListener("pointermove", (event) => {
    readout.setAttribute("aria-live", "off");
    report.say(under(event));
  });
  lanes.addEventListener("pointerleave", () => {
    readout.removeAttribute("aria-live");
    report.say(hint);
  });
  const hint = data.complete
    ? "Point at a lane to read it. With the time line in focus: + and - zoom, arrows move, Home shows everything."
    : "Point at a lane to read it. " + count(operations.length) + " of " + count(data.total) +
      " operations can be shown one by one when zoomed in: those that went wrong and those near a counterexample.";

  report.parts.push(draw);
  new ResizeObserver(draw).observe(lanes);
  report.draw();
  report.say(hint);
})();
