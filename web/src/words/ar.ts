import { en } from "./en";

export const ar: Record<keyof typeof en, string> = en;
