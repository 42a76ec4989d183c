/** Turns identifiers into words and into file names. */

/** `userCold` → `user cold`. */
export const words = (name: string) =>
  name.replace(/([a-z\d])([A-Z])/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`);

export const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** A file name that is valid on every operating system. */
export const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z\d]+/g, '-')
    .replace(/^-|-$/g, '') || 'figure';

export const whole = (value: number) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
