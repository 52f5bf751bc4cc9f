// How many points a frame can have: without a graphics card, 100,000 of them take a third of a
// second, and a map that sticks to the hand is worse than one that shows fewer while it moves.

const SLOW = 100; // ms from frame to frame
const PATIENCE = 800; // ms of waiting for slow frames, which a moment's hitch does not reach
const STEP = 4;
const FEWEST = 4000;
const REST = 18; // frames without a move

/** Watches frames while the view moves; calls `onchange` when another number of points is due. */
export class FrameBudget {
  constructor(onchange) {
    this.onchange = onchange;
    this.level = 0;
    this.moving = false;
    this.slow = 0;
  }

  /** Of n points, how many to draw now: fewer while the view moves, if all are too many. */
  share(n) {
    return this.moving ? Math.max(Math.min(n, FEWEST), Math.floor(n / STEP ** this.level)) : n;
  }

  /** The view has moved. */
  moved(n) {
    this.quiet = 0;
    if (this.moving) return;
    this.moving = true;
    this.slow = 0;
    if (this.level) this.onchange();
    let before = performance.now();
    const tick = () => {
      const now = performance.now();
      this.slow = Math.max(0, this.slow + (now - before > SLOW ? now - before : -SLOW / 10));
      before = now;
      if (this.slow >= PATIENCE && n / STEP ** this.level > FEWEST) {
        this.level++;
        this.slow = 0;
        this.onchange();
      }
      if (this.quiet++ < REST) return requestAnimationFrame(tick);
      this.moving = false;
      if (this.level) this.onchange();
    };
    requestAnimationFrame(tick);
  }
}
