/** Why a file is not in the archive. */

/** Cause and remedy of a failure, which the archive keeps as JSON. */
export function failureOf(error: string | null): string | null {
  if (!error) return null;
  try {
    const { cause, remedy } = JSON.parse(error) as { cause?: string; remedy?: string };
    return [cause, remedy].filter(Boolean).join(" — ");
  } catch {
    return error;
  }
}
