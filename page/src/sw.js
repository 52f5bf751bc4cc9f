// The service worker: without the service, the page itself still opens, and says what is the
// matter. It keeps the shell and nothing else: no answer, no sound, no picture.

const NAME = "musicu-shell";
const SHELL = [
  "/",
  "/page/page.css",
  "/page/page.js",
  "/page/manifest.webmanifest",
  "/page/icon-192.png",
];

self.addEventListener("install", (event) => {
  const keep = async () => {
    const shell = await caches.open(NAME);
    await shell.addAll(SHELL);
    await self.skipWaiting();
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** What the service has comes first, so that nobody sees an old page while it runs. */
async function fresh(request, path) {
  const shell = await caches.open(NAME);
  try {
    const answer = await fetch(request);
    if (answer.ok) await shell.put(path, answer.clone());
    return answer;
  } catch (error) {
    const kept = await shell.match(path);
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || origin !== self.location.origin) return;
  if (SHELL.includes(pathname)) event.respondWith(fresh(event.request, pathname));
});
