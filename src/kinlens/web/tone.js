/**
 * Product pictures stand on white. On a page, the white is a box around the product; multiplied
 * onto a soft tile it is gone, in the light and in the dark. Photos are shown as they are.
 */

const SIDE = 12;
const NEAR_WHITE = 242;
const SHARE = 0.55;

/** @type {CanvasRenderingContext2D | null | undefined} */
let canvas;

/**
 * Mark the frame of a picture, once it is there, by what it stands on.
 *
 * @param {HTMLImageElement} image
 * @returns {HTMLImageElement} the same
 */
export function toned(image) {
  image.addEventListener('load', () => {
    image.parentElement?.classList.toggle('on-white', standsOnWhite(image));
  });
  return image;
}

/** @param {HTMLImageElement} image */
function standsOnWhite(image) {
  if (canvas === undefined) {
    const drawing = document.createElement('canvas');
    drawing.width = drawing.height = SIDE;
    canvas = drawing.getContext('2d', { willReadFrequently: true });
  }
  if (!canvas) return false;
  try {
    canvas.fillStyle = '#fff';
    canvas.fillRect(0, 0, SIDE, SIDE);
    canvas.drawImage(image, 0, 0, SIDE, SIDE);
    return whiteBorder(canvas.getImageData(0, 0, SIDE, SIDE).data) >= SHARE;
  } catch {
    return false; // a picture of another site may be shown, but not looked at
  }
}

/**
 * @param {Uint8ClampedArray} pixels RGBA of a square
 * @returns {number} share of its border that is nearly white
 */
function whiteBorder(pixels) {
  let border = 0;
  let white = 0;
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      if (x > 0 && x < SIDE - 1 && y > 0 && y < SIDE - 1) continue;
      const at = 4 * (y * SIDE + x);
      border += 1;
      white += Math.min(pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0) >= NEAR_WHITE ? 1 : 0;
    }
  }
  return white / border;
}
