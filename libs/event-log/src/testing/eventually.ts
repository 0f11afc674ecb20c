/** Repeats an expectation until it holds, every 10 ms; after `ms` its last failure is the test's. */
export async function eventually(expectation: () => Promise<void>, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms;
  for (;;) {
    try {
      return await expectation();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
