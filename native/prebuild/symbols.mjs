/** Which symbols of glibc a binary asks for, by the versions that objdump shows. */
import { execFileSync } from 'node:child_process';

/** The oldest glibc that prebuilt binaries load with: RHEL 8, Debian 10, Ubuntu 20.04. */
export const BASELINE = '2.28';

/** Undefined symbols of later versions than `baseline`, as `name@version`. */
export function newerThan(baseline, binary) {
  const text = execFileSync('objdump', ['-T', binary], { encoding: 'utf8' });
  const needed = [...text.matchAll(/\(?GLIBC_([0-9.]+)\)?\s+(\S+)$/gm)];
  if (needed.length === 0) throw new Error(`${binary} names no version of glibc: is it a glibc binary?`);
  return needed
    .filter(([, version]) => compare(version, baseline) > 0)
    .map(([, version, name]) => `${name}@${version}`);
}

function compare(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
