// The way to the server: one event stream a browser, shared between its tabs, since a browser opens at
// most six connections to a host. Puts updates together; says whether the line is up.

const WHERE = "/api/v1/stream";

// Put an event's sections into what is held.
export function merge(held, kind, sections) {
  if (kind === "whole") return sections;
  const next = { ...held, ...sections };
  if (sections.curve?.more) {
    next.curve = { ...sections.curve, points: { ...held.curve?.points, ...sections.curve.points } };
  }
  return next;
}

// tell({ up, sections, at }) after each event and whenever the line goes up or down.
export function connect(code, tell) {
  if (typeof SharedWorker === "function") {
    try {
      const worker = new SharedWorker("/static/js/stream-worker.js", { type: "module", name: code });
      worker.onerror = () => direct(tell);
      worker.port.onmessage = ({ data }) => tell(data);
      worker.port.start();
      addEventListener("pagehide", () => worker.port.postMessage("bye"));
      return;
    } catch { /* not allowed here: a stream of its own */ }
  }
  direct(tell);
}

export function direct(tell) {
  let held = {};
  const source = new EventSource(WHERE);
  const take = (kind) => (event) => {
    held = merge(held, kind, JSON.parse(event.data));
    tell({ up: true, sections: held, at: Date.now() });
  };
  source.addEventListener("whole", take("whole"));
  source.addEventListener("update", take("update"));
  source.onerror = () => {
    tell({ up: false });
    // The browser tries again by itself unless the answer was an error.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => direct(tell), 1000);
  };
}
