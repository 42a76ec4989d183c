/** Which labels fit which loss. */
import type { LossSpec } from './contract.js';

/** Whether a finite number is a label of the loss. */
export function labelFits(head: LossSpec, y: number): boolean {
  switch (head.loss) {
    case 'mse':
      return true;
    case 'bce':
      return y >= 0 && y <= 1;
    case 'softmax':
      return Number.isInteger(y) && y >= 0 && y < head.classes;
    case 'bpr':
    case 'listwise':
      return y === 0 || y === 1;
  }
}

/** What a label of the loss is, for messages. */
export function labelsOf(head: LossSpec): string {
  switch (head.loss) {
    case 'mse':
      return 'a finite number';
    case 'bce':
      return 'a probability from 0 to 1';
    case 'softmax':
      return `a class, an integer from 0 to ${head.classes - 1}`;
    case 'bpr':
    case 'listwise':
      return '1, or 0 for a negative';
  }
}
