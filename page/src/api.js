// The service, asked from the page. Every failure is a Problem with one line for the user.

import { t } from "./strings.js";
import { $ } from "./dom.js";

export class Problem extends Error {
  constructor(detail, status = 0, retry = 0) {
    super(detail);
    this.status = status;
    this.retry = retry;
  }
}

let asking = null;

/** Ask for the token until the service accepts one; several requests wait for one answer. */
function session() {
  asking ??= new Promise((resolve) => {
    const form = $("session-form");
    const send = async (event) => {
      event.preventDefault();
      $("session-error").textContent = "";
      const answer = await fetch("/v1/session", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ token: $("token").value }),
      }).catch(() => null);
      if (!answer?.ok) {
        $("session-error").textContent = answer ? await reason(answer) : t("api.unreachable");
        return $("token").select();
      }
      form.removeEventListener("submit", send);
      $("session").close();
      asking = null;
      resolve();
    };
    form.addEventListener("submit", send);
    $("session").addEventListener("cancel", (event) => event.preventDefault());
    $("session").showModal();
  });
  return asking;
}

async function reason(answer) {
  try {
    const said = await answer.json();
    const text = typeof said.detail === "string" ? said.detail : said.title;
    return text ? text[0].toUpperCase() + text.slice(1) : t("api.error", { status: `${answer.status}` });
  } catch {
    return t("api.error", { status: `${answer.status} ${answer.statusText}`.trim() });
  }
}

/** Fetch an answer; asks for the token when there is need to. */
export async function fetched(path, { json, ...options } = {}) {
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers = { "Content-Type": "application/json", ...options.headers };
    options.method ??= "POST";
  }
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(t("api.unreachable"));
    }
    if (answer.status === 401) {
      await session();
      continue;
    }
    if (!answer.ok) {
      throw new Problem(
        await reason(answer),
        answer.status,
        Number(answer.headers.get("Retry-After")) || 0,
      );
    }
    return answer;
  }
}

/** Fetch JSON. */
export async function ask(path, options) {
  return (await fetched(path, options)).json();
}

/** Send a file as it is, with word of how far it got (0 to 1); returns JSON. */
export function send(path, file, onprogress = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader(
      "Content-Type",
      /^audio\//.test(file.type) ? file.type : "application/octet-stream",
    );
    request.upload.onprogress = ({ loaded, total }) => onprogress(total ? loaded / total : 0);
    request.onerror = () => reject(new Problem(t("api.unreachable")));
    request.onload = async () => {
      const answer = new Response(request.responseText || "{}", {
        status: request.status,
        statusText: request.statusText,
      });
      if (request.status === 401) {
        await session();
        return send(path, file, onprogress).then(resolve, reject);
      }
      if (!answer.ok) {
        const retry = Number(request.getResponseHeader("Retry-After")) || 0;
        return reject(new Problem(await reason(answer), request.status, retry));
      }
      resolve(await answer.json());
    };
    request.send(file);
  });
}

/** Follow a job until it ends; returns a function that stops listening. */
export function follow(id, onprogress) {
  const source = new EventSource(`/v1/jobs/${encodeURIComponent(id)}`);
  const hear = ({ data }) => data && onprogress(JSON.parse(data));
  source.addEventListener("progress", hear);
  source.addEventListener("end", (event) => {
    source.close();
    hear(event);
  });
  source.onerror = async () => {
    if (source.readyState !== EventSource.CLOSED) return;
    ask(`/v1/jobs/${encodeURIComponent(id)}`).then(onprogress, () => {});
  };
  return () => source.close();
}

export const trackPath = (id, rest = "") => `/v1/tracks/${encodeURIComponent(id)}${rest}`;
