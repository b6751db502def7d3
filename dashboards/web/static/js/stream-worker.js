// Holds the one stream of a browser and passes on what comes to every tab.

import { direct } from "./link.js";

const ports = new Set();
let last = null;

self.onconnect = ({ ports: [port] }) => {
  ports.add(port);
  port.onmessage = ({ data }) => { if (data === "bye") ports.delete(port); };
  port.start();
  if (last) port.postMessage(last);
};

direct((news) => {
  last = news.up ? news : { ...last, up: false };
  for (const port of ports) port.postMessage(last);
});
