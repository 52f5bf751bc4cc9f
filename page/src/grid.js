// Which point lies under the pointer: points sorted into cells, looked up in microseconds.

const CELLS = 256;

export class Grid {
  /** @param {Float32Array} points x and y of each, in [-1, 1] but for rounding */
  constructor(points) {
    const n = points.length / 2;
    this.points = points;
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    const cells = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      cells[i] = cell(points[2 * i]) + CELLS * cell(points[2 * i + 1]);
      this.starts[cells[i] + 1]++;
    }
    for (let c = 0; c < CELLS * CELLS; c++) this.starts[c + 1] += this.starts[c];
    const next = this.starts.slice();
    this.order = new Uint32Array(n);
    for (let i = 0; i < n; i++) this.order[next[cells[i]]++] = i;
  }

  /** The nearest point within a radius, or -1. */
  nearest(x, y, radius) {
    let best = -1;
    let least = radius * radius;
    const [left, right] = [cell(x - radius), cell(x + radius)];
    for (let row = cell(y - radius); row <= cell(y + radius); row++) {
      // Cells of a row lie one after the other, so their points do.
      const end = this.starts[row * CELLS + right + 1];
      for (let k = this.starts[row * CELLS + left]; k < end; k++) {
        const i = this.order[k];
        const dx = this.points[2 * i] - x;
        const dy = this.points[2 * i + 1] - y;
        const distance = dx * dx + dy * dy;
        if (distance < least) [best, least] = [i, distance];
      }
    }
    return best;
  }
}

function cell(value) {
  return Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1) / 2) * CELLS)));
}
