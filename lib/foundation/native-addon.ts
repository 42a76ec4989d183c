/** The type of the native addon as a whole. */
import type { NativeOperations } from './native-contract.js';
import type { EnumName, NameOf, NativeTextIndex, NativeToken } from './native-names.js';

/** What a device plugin found. */
export interface DeviceInfo {
  name: string;
  /** `cuda`, or `emulation`: the same source on the processor, for tests. */
  backend: string;
  /** 1000 × major + 10 × minor version of the driver and of the runtime; 0 under emulation. */
  driver: number;
  runtime: number;
  /** 10 × major + minor. */
  capability: number;
  processors: number;
  /** Bytes. */
  memory: number;
}

export interface NativeAddon {
  /** Instruction set in use: the best this machine has, or what INNERLOOP_ISA names. */
  isa: string;
  /** Instruction sets this machine can run, best first. */
  isas: string[];
  hardwareThreads: number;
  /** Brief calls that were handed over past long ones so far, in this process. */
  handedOver(): number;
  createToken(): NativeToken;
  abortToken(token: NativeToken): void;
  /** The device of a plugin, by its library; throws one of the CUDA codes. */
  probeDevice(library: string): DeviceInfo;
  /** The numbers of each enum's names, as options of layers and nodes hold them. */
  enums: { readonly [E in EnumName]: Readonly<Record<NameOf<E>, number>> };
  /** What the core decides for itself, for those who count or estimate. */
  decisions: {
    /** The form of an adapted layer over tasks of so many rows. */
    form(work: {
      inputs: number;
      outputs: number;
      support: number;
      query: number;
      steps: number;
      order: 1 | 2;
      layersBelow: boolean;
    }): NameOf<'Form'>;
    /** How many sums of the dense gradient a batch of so many tasks has, each of so many bytes. */
    chunks(tasks: number, bytes: number): number;
  };
  texts: {
    /** An index of so many texts, which are added in order. The first stands for no text and is not found. */
    create(count: number): NativeTextIndex;
    add(index: NativeTextIndex, joined: string, lengths: Int32Array): void;
    /** The number of each text, 0 for one that the index lacks. It must have all its texts. */
    find(index: NativeTextIndex, joined: string, lengths: Int32Array): Int32Array;
  };
  float32: NativeOperations;
  float64: NativeOperations;
}
