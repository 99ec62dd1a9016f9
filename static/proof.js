// Once somebody touches the form to sign, their browser works on a proof in the background. Nothing here may stand in the way:
// who has no script, or a browser that cannot do it, signs all the same.
const told = document.getElementById("proving");
const form = told.closest("form");
const field = form.elements.namedItem("proof");
let begun, proving, widget, waiting, done; // Of the newest proof: when, and a promise that never fails.

async function load() {
  await import(told.dataset.widget);
  $altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(told.dataset.worker));
  const made = document.createElement("altcha-widget");
  const workers = Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1 || 1)); // One core is left to whoever types.
  made.setAttribute("challenge", told.dataset.challenge);
  made.setAttribute("configuration", JSON.stringify({ humanInteractionSignature: false, minDuration: 0, workers }));
  const ready = new Promise((resolve) => made.addEventListener("load", resolve));
  made.hidden = true;
  document.body.append(made); // Not in the form, to which it would add fields of its own.
  await ready;
  return made;
}

async function prove() {
  try {
    widget ??= load();
    field.value = (await (await widget).verify()).payload;
  } catch {
    widget = undefined;
  }
}

// What came back with the form is still good for a minute.
function broughtBack() {
  try {
    return JSON.parse(atob(field.value)).challenge.parameters.expiresAt * 1000 > Date.now() + 60000;
  } catch {
    return false;
  }
}

function begin() {
  // A challenge is good for ten minutes.
  if (begun ? performance.now() - begun < 480000 : broughtBack()) return;
  begun = performance.now();
  field.value = "";
  proving = prove();
}

for (const touch of ["focusin", "input", "pointerdown"]) form.addEventListener(touch, begin);
if (form.contains(document.activeElement)) begin();

form.addEventListener("submit", async (event) => {
  if (done) return;
  begin();
  if (field.value) return;
  event.preventDefault();
  if (waiting) return;
  waiting = true;
  told.firstElementChild.hidden = false;
  await Promise.race([proving, new Promise((resolve) => setTimeout(resolve, 5000))]);
  done = true;
  form.submit();
});

// A page that comes back from the browser's memory.
addEventListener("pageshow", () => {
  waiting = done = false;
  told.firstElementChild.hidden = true;
});
