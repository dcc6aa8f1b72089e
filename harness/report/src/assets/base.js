// What every part of the script needs: errors made visible, buttons shown, the copy button.
"use strict";
const report = { parts: [] };

report.fail = (text) => {
  const place = document.getElementById("script-errors");
  if (!place) return;
  place.hidden = false;
  place.textContent += "The page's script failed: " + text + "\n";
};
window.addEventListener("error", (event) => report.fail(event.message || "unknown error"));
window.addEventListener("unhandledrejection", (event) => report.fail(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => {
  report.fail("blocked by the page's policy: " + event.violatedDirective + " " + event.blockedURI);
});

report.element = (id) => document.getElementById(id);
report.data = JSON.parse(report.element("run").textContent);
// A moment and a length of time, as the page tells them everywhere. In a history without times they
// are events, each a thousand wide.
report.event = (place) => Math.round(place / 1000);
report.seconds = (micros) => report.data.events
  ? "event " + report.event(micros)
  : ((report.data.start + micros) / 1e6).toFixed(3) + " s";
report.length = (micros) => report.data.events
  ? report.event(micros) + " events"
  : (micros / 1000).toFixed(2) + " ms";
report.count = (number) => number.toLocaleString("en-US");

// Controls are in the page but hidden, because without this script they would do nothing.
for (const control of document.querySelectorAll(".js")) control.hidden = false;

report.element("copy").addEventListener("click", async () => {
  const command = report.element("command");
  const said = report.element("copied");
  try {
    await navigator.clipboard.writeText(command.textContent);
    said.textContent = "Copied.";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(command);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    said.textContent = document.execCommand("copy") ? "Copied." : "Selected; copy it with the keyboard.";
  }
});
