// Where the server is, seen from the browser.

/** Whether a page of this host came from the machine of the browser itself. */
export function isLocal(hostname) {
  if (hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]") return true;
  return /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** What the server is called. */
export function hereName(hostname = location.hostname) {
  return isLocal(hostname) ? "this machine" : "the server";
}
