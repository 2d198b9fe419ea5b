// Asks the server how the cluster is: often while somebody looks, rarely while nobody does. A request at a time instead
// of a stream that stays open, since browsers allow six connections to a server for all tabs together.

const LOOKED_AT_MS = 400; // a node that dies is seen within a second
const AT_REST_MS = 4000; // for the line in the page's head
const FAILED_MS = 2000;

export class ClusterWatch extends EventTarget {
  cluster = null;
  #server;
  #isLookedAt = () => false;
  #timer = null;
  #isAsking = false;

  /** Events: "cluster", a new picture · "away" {error}: the server did not give one. */
  constructor(server) {
    super();
    this.#server = server;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.ask();
    });
  }

  /** `isLookedAt()`: whether what is told is shown now. */
  start(isLookedAt) {
    this.#isLookedAt = isLookedAt;
    this.ask();
  }

  /** Now, and from then on again. */
  async ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    clearTimeout(this.#timer);
    let pause = FAILED_MS;
    try {
      this.cluster = await this.#server.get("cluster");
      this.dispatchEvent(new CustomEvent("cluster"));
      pause = this.#isLookedAt() ? LOOKED_AT_MS : AT_REST_MS;
    } catch (error) {
      this.dispatchEvent(new CustomEvent("away", { detail: { error } }));
      if (error.retryAfter > 0) pause = Math.min(pause, 1000 * error.retryAfter);
    }
    this.#isAsking = false;
    if (!document.hidden) this.#timer = setTimeout(() => this.ask(), pause);
  }
}
