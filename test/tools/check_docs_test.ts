import { deepStrictEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  anchorsOf,
  checkCommands,
  checkLinks,
  checkMessages,
  checkNames,
  checkOptions,
  checkReasons,
  checkRows,
  checkRuntimes,
  checkTroubleshooting,
  codesIn,
} from "../../tools/check_docs.ts";
import { thrownIn } from "../../tools/thrown.ts";

const SOURCE = `
// new AegisError("OLD", "…") is no code of ours
/** throw new RpcError("EMAIL_TAKEN", "…") */
throw new AegisError("NO_LUCK", \`Cannot \${what}: there is no luck\`);
super(options?.code ?? "CLOSED", message);
if (error.code === "TIMEOUT") return { code: "BUSY" };
const signals = ["SIGTERM"];
`;

test("codesIn() finds the codes that errors are made with and asked for, and none in comments", () => {
  deepStrictEqual([...codesIn([SOURCE])].sort(), ["BUSY", "CLOSED", "NO_LUCK", "TIMEOUT"]);
});

test("checkTroubleshooting() misses codes, and finds headings and quotes that the source does not have", () => {
  const page = `### BUSY\n\n**"there is no luck"**\n\n### CLOSED\n\n### NO_LUCK\n\n### TIMEOUT\n`;
  deepStrictEqual(checkTroubleshooting(page, [SOURCE]), []);
  const faults = checkTroubleshooting(
    page.replace("CLOSED", "SHUT").replace("no luck", "no fortune"),
    [SOURCE],
  );
  deepStrictEqual(faults, [
    `docs/troubleshooting.md has no heading "### CLOSED"`,
    "docs/troubleshooting.md: no error has the code SHUT",
    `docs/troubleshooting.md: the source has no message "there is no fortune"`,
  ]);
});

test("thrownIn() finds errors with words of their own, by their codes", () => {
  const source = `
    throw new TypeError(\`Cannot use \${show(name)}: it must be
      short (\${max})\`);
    throw new TimeoutError("It took too long", { details });
    throw new UnavailableError("The gate is open", { code: "CIRCUIT_OPEN" });
    throw new NotActiveError("Nobody leads", { code, details });
    throw new AegisError("NATS", \`Cannot \${what}: \${reason}\`); // "its words are elsewhere"
    throw new ConflictError(message), new SyntaxError("it is none of ours");
  `;
  deepStrictEqual(thrownIn(source).map(({ code, made }) => [code, made.slice(0, 12)]), [
    ["", "`Cannot use "],
    ["TIMEOUT", '"It took too'],
    ["CIRCUIT_OPEN", '"The gate is'],
    [undefined, '"Nobody lead'],
  ]);
});

test("checkMessages() misses the words of an error under the heading of its code", () => {
  const source =
    'throw new TypeError("the name must be text"); throw new TimeoutError("it took too long");';
  const page = '### TIMEOUT\n\n**"took too\nlong"**\n\n## Mistakes\n\n**"must be"**\n';
  deepStrictEqual(checkMessages(page, [source]), []);
  const [fault, ...more] = checkMessages(page.replace("TIMEOUT", "BUSY"), [source]);
  ok(fault?.includes("under TIMEOUT of the error"), fault);
  deepStrictEqual(more, []);
  ok(checkMessages(page.replace("must", "may"), [source])[0]?.includes("programming mistakes"));
});

test("checkReasons() misses reasons that connect() gives, and not what is to be done", () => {
  const source =
    `{ reason: "the server has no TLS", advice: "leave out tls" }, [/x/,\n "it is shut; open it"]
    return "no answer in time";`;
  const page = "_the server has\nno TLS_, _it is shut_, _no answer in time_";
  deepStrictEqual(checkReasons(page, [source]), []);
  deepStrictEqual(checkReasons(page.replace("shut", "open"), [source]), [
    'docs/troubleshooting.md does not tell of "it is shut"',
  ]);
  deepStrictEqual(checkReasons(page, ["no reason"]).length, 1);
});

test("checkRows() finds two rows of one message in one table, and none in two", () => {
  const row = (text: string) => `| **"${text}"** | do it |\n`;
  const page = `## A\n${row("it is shut")}${row("it is open")}## B\n${row("it is shut")}`;
  deepStrictEqual(checkRows(page), []);
  deepStrictEqual(checkRows(page.replace("it is open", "is shut")), [
    'docs/troubleshooting.md has two rows of "is shut"',
  ]);
});

test("checkNames() misses names that the source has and the page does not write as code", () => {
  const page = { path: "docs/wire.md", text: "the headers `aegis-id` and aegis-ttl" };
  const sources = ['const ID = "aegis-id";', 'const TTL = "aegis-ttl";'];
  deepStrictEqual(checkNames(page, sources, /"(aegis-[a-z-]+)"/g), [
    "docs/wire.md does not tell of aegis-ttl",
  ]);
  deepStrictEqual(checkNames(page, [""], /"(aegis-[a-z-]+)"/g).length, 1);
});

test("checkOptions() misses options that the page does not tell of", () => {
  const source =
    "export interface ConnectOptions {\n  /** `who` */\n  readonly servers?: string;\n  readonly tls?: Tls;\n}\n";
  const page = "| `servers` | where |\n| `tls.caFile` | whom to trust |\n";
  deepStrictEqual(checkOptions(page, source), []);
  deepStrictEqual(checkOptions(page.replace("servers", "server"), source), [
    "docs/configuration.md does not tell of the option servers",
  ]);
  deepStrictEqual(checkOptions(page, "").length, 1);
});

test("anchorsOf() makes anchors as GitHub does, of headings outside of code", () => {
  const text =
    "# A `b`, and c!\n\n```sh\n# not this\n```\n\n## Twice\n\n## Twice\n\n### PERMISSION_DENIED\n";
  deepStrictEqual([...anchorsOf(text)], ["a-b-and-c", "twice", "twice-1", "permission_denied"]);
});

test("checkLinks() follows links between pages, to files and to headings", () => {
  const pages = [
    {
      path: "README.md",
      text: "[a](docs/a.md#one) [b](#here) [c](https://example.com)\n## Here\n",
    },
    { path: "docs/a.md", text: "[up](../README.md#here) [example](../examples/1.ts)\n# One\n" },
  ];
  const files = new Set(["README.md", "docs/a.md", "examples/1.ts"]);
  deepStrictEqual(checkLinks(pages, (path) => files.has(path)), []);
  const [page] = pages;
  const broken = [{ ...page!, text: "[a](docs/b.md) [b](docs/a.md#two) [c](#there)" }, pages[1]!];
  deepStrictEqual(checkLinks(broken, (path) => files.has(path)), [
    "README.md: there is no docs/b.md",
    "README.md: docs/a.md has no heading #two",
    "README.md: README.md has no heading #there",
    "docs/a.md: README.md has no heading #here",
  ]);
});

test("checkCommands() finds tasks and files that are not there", () => {
  const text = "`npx -y deno@2 task demo`, `deno task test:bun` and `deno run -A tools/a.ts --fix`";
  const tasks = { demo: "", "test:bun": "" };
  deepStrictEqual(checkCommands([{ path: "README.md", text }], tasks, () => true), []);
  deepStrictEqual(checkCommands([{ path: "README.md", text }], { demo: "" }, () => false), [
    "README.md: there is no task test:bun",
    "README.md: there is no tools/a.ts",
  ]);
});

test("checkRuntimes() finds tables of runtimes that differ, or that are not there", () => {
  const table = "| where | what |\n| --- | --- |\n| Deno 2.9.6 | the test files |\n";
  const fault = ["README.md and docs/runtimes.md have not the same table of runtimes"];
  deepStrictEqual(checkRuntimes(`# A\n\n${table}\nMore`, `# B\n\n${table}`), []);
  deepStrictEqual(checkRuntimes(table.replace("2.9.6", "2.9.5"), table), fault);
  deepStrictEqual(checkRuntimes(table, "# B\n"), fault);
  deepStrictEqual(checkRuntimes("# A\n", "# B\n"), fault);
});
