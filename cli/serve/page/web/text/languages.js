// What highlight.js has to know of a language: how comments and strings look, and which words are its own.
// A language that is not here is shown plainly.

const words = (text) => new Set(text.trim().split(/\s+/));

const C_WORDS = `
      auto break case const continue default do else enum extern for goto if inline register return sizeof
      static struct switch typedef union volatile while
    `;
const C_TYPES = `
      bool char double float int long short signed unsigned void size_t ssize_t int8_t int16_t int32_t int64_t
      uint8_t uint16_t uint32_t uint64_t
    `;
const JS_WORDS = `
      as async await break case catch class const continue debugger default delete do else export extends
      finally for from function get if import in instanceof let new of return set static super switch this
      throw try typeof var void while with yield
    `;

const C_LIKE = { line: ["//"], block: [["/*", "*/"]], quotes: ['"', "'"] };
const HASH = { line: ["#"], quotes: ['"', "'"] };

export const LANGUAGES = {
  c: { ...C_LIKE, words: words(C_WORDS), types: words(C_TYPES), constants: words("NULL true false"), directive: "#" },
  cpp: {
    ...C_LIKE,
    words: words(`
      ${C_WORDS} alignas alignof and catch class co_await co_return co_yield concept consteval constexpr
      constinit const_cast decltype delete dynamic_cast explicit export final friend import module mutable
      namespace new noexcept not operator or override private protected public reinterpret_cast requires
      static_assert static_cast template this thread_local throw try typeid typename using virtual
    `),
    types: words(`
      ${C_TYPES} string vector map set span optional variant array wchar_t char8_t char16_t char32_t
    `),
    constants: words("nullptr NULL true false"),
    directive: "#",
  },
  csharp: {
    ...C_LIKE,
    words: words(`
      ${C_WORDS} abstract as async await base catch checked class delegate event explicit finally fixed
      foreach get implicit in interface internal is lock namespace new operator out override params partial
      private protected public readonly record ref sealed set stackalloc this throw try typeof unchecked
      unsafe using var virtual where yield
    `),
    types: words(`
      bool byte char decimal double float int long object sbyte short string uint ulong ushort void
    `),
    constants: words("null true false"),
    directive: "#",
  },
  java: {
    ...C_LIKE,
    words: words(`
      abstract assert break case catch class const continue default do else enum extends final finally for
      goto if implements import instanceof interface native new package private protected public record return
      sealed static strictfp super switch synchronized this throw throws transient try var volatile while
      yield
    `),
    types: words("boolean byte char double float int long short void"),
    constants: words("null true false"),
    annotation: true,
  },
  kotlin: {
    ...C_LIKE,
    triple: ['"""'],
    words: words(`
      as break by catch class companion const constructor continue data do else enum finally for fun get if
      import in init inline interface internal is lateinit object open operator out override package private
      protected public return sealed set super suspend this throw try typealias val var vararg when where
      while
    `),
    constants: words("null true false"),
    annotation: true,
  },
  swift: {
    ...C_LIKE,
    triple: ['"""'],
    words: words(`
      as associatedtype async await break case catch class continue default defer deinit do else enum
      extension fallthrough fileprivate final for func guard if import in indirect init inout internal is lazy
      let mutating nonisolated open operator override private protocol public repeat rethrows return self Self
      some static struct subscript super switch throw throws try typealias var weak where while
    `),
    constants: words("nil true false"),
    annotation: true,
  },
  go: {
    ...C_LIKE,
    quotes: ['"', "'", "`"],
    words: words(`
      break case chan const continue default defer else fallthrough for func go goto if import interface map
      package range return select struct switch type var
    `),
    types: words(`
      any bool byte complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint
      uint8 uint16 uint32 uint64 uintptr
    `),
    constants: words("nil true false iota"),
  },
  rust: {
    ...C_LIKE,
    quotes: ['"'],
    words: words(`
      as async await break const continue crate dyn else enum extern fn for if impl in let loop match mod move
      mut pub ref return self Self static struct super trait type union unsafe use where while
    `),
    types: words(`
      bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize String Vec Option Result Box
    `),
    constants: words("true false None Some Ok Err"),
  },
  javascript: {
    ...C_LIKE,
    quotes: ['"', "'", "`"],
    words: words(JS_WORDS),
    constants: words("null undefined true false NaN Infinity"),
  },
  typescript: {
    ...C_LIKE,
    quotes: ['"', "'", "`"],
    words: words(`
      ${JS_WORDS} abstract declare enum implements interface is keyof namespace private protected public
      readonly satisfies type infer override
    `),
    types: words("any bigint boolean never number object string symbol unknown void"),
    constants: words("null undefined true false NaN Infinity"),
    annotation: true,
  },
  php: {
    line: ["//", "#"],
    block: [["/*", "*/"]],
    quotes: ['"', "'"],
    words: words(`
      abstract and array as break callable case catch class clone const continue declare default do echo else
      elseif empty enum extends final finally fn for foreach function global goto if implements include
      instanceof interface isset list match namespace new or print private protected public readonly require
      require_once return static switch throw trait try unset use var while yield
    `),
    constants: words("null true false NULL TRUE FALSE"),
    sigil: "$",
  },
  python: {
    ...HASH,
    triple: ['"""', "'''"],
    words: words(`
      and as assert async await break case class continue def del elif else except finally for from global if
      import in is lambda match nonlocal not or pass raise return try while with yield
    `),
    types: words("bool bytes dict float int list object set str tuple type"),
    constants: words("None True False self cls"),
    annotation: true,
  },
  ruby: {
    ...HASH,
    words: words(`
      alias and begin break case class def defined do else elsif end ensure extend for if in include loop
      module next not or private protected public raise redo require rescue retry return self super then undef
      unless until when while yield
    `),
    constants: words("nil true false"),
    sigil: "@",
  },
  perl: {
    ...HASH,
    words: words(`
      and cmp continue do else elsif eq for foreach if last local my ne next no not or our package print redo
      require return sub unless until use while
    `),
    constants: words("undef"),
    sigil: "$",
  },
  lua: {
    line: ["--"],
    block: [["--[[", "]]"]],
    quotes: ['"', "'"],
    words: words(`
      and break do else elseif end for function goto if in local not or repeat return then until while
    `),
    constants: words("nil true false"),
  },
  r: {
    ...HASH,
    words: words("break else for function if in next repeat return while library"),
    constants: words("NULL NA TRUE FALSE Inf NaN"),
  },
  julia: {
    ...HASH,
    block: [["#=", "=#"]],
    triple: ['"""'],
    words: words(`
      abstract baremodule begin break catch const continue do else elseif end export finally for function
      global if import in let local macro module mutable primitive quote return struct try type using where
      while
    `),
    constants: words("nothing true false missing"),
    annotation: true,
  },
  haskell: {
    line: ["--"],
    block: [["{-", "-}"]],
    quotes: ['"'],
    words: words(`
      case class data default deriving do else family forall foreign if import in infix infixl infixr instance
      let module newtype of qualified then type where
    `),
    constants: words("True False Nothing Just"),
  },
  bash: {
    ...HASH,
    words: words(`
      case do done elif else esac export fi for function if in local read return select set shift source then
      trap unset until while
    `),
    commands: words(`
      alias apt awk cat cd chmod chown cmake cp curl cut docker echo eval exec exit find git grep head kill ls
      make mkdir mv npm pip printf ps pwd python python3 rm sed sort ssh sudo systemctl tail tar tee test
      touch tr uniq wc wget xargs larql
    `),
    constants: words("true false"),
    sigil: "$",
    flags: true,
  },
  powershell: {
    line: ["#"],
    block: [["<#", "#>"]],
    quotes: ['"', "'"],
    words: words(`
      begin break catch class continue do else elseif end exit filter finally for foreach function if in param
      process return switch throw trap try until using while
    `),
    sigil: "$",
    flags: true,
  },
  sql: {
    line: ["--"],
    block: [["/*", "*/"]],
    quotes: ['"', "'", "`"],
    anyCase: true,
    words: words(`
      add all alter and as asc begin between by case check column commit constraint create cross database
      default delete desc distinct drop else end exists foreign from full group having if in index inner
      insert into is join key left like limit not null offset on or order outer over partition primary
      references returning right rollback select set table then transaction union unique update using values
      view when where with
    `),
    types: words(`
      bigint blob boolean char date decimal double float int integer json numeric real serial smallint text
      time timestamp uuid varchar
    `),
    constants: words("true false"),
  },
  json: { line: ["//"], quotes: ['"'], keys: true, constants: words("true false null") },
  yaml: { ...HASH, keys: true, bareKeys: ":", constants: words("true false null yes no on off") },
  toml: { ...HASH, triple: ['"""', "'''"], bareKeys: "=", section: true, constants: words("true false") },
  ini: { line: ["#", ";"], quotes: ['"'], bareKeys: "=", section: true, constants: words("true false yes no on off") },
  css: {
    block: [["/*", "*/"]],
    quotes: ['"', "'"],
    bareKeys: ":",
    words: words("important"),
    at: true,
    dashed: true,
    hex: true,
  },
  dockerfile: {
    ...HASH,
    words: words(`
      FROM RUN CMD LABEL EXPOSE ENV ADD COPY ENTRYPOINT VOLUME USER WORKDIR ARG ONBUILD STOPSIGNAL HEALTHCHECK
      SHELL AS
    `),
    sigil: "$",
    flags: true,
  },
  makefile: {
    ...HASH,
    words: words(`
      ifeq ifneq ifdef ifndef else endif include define endef export override
    `),
    bareKeys: ":",
    sigil: "$",
  },
  cmake: {
    ...HASH,
    quotes: ['"'],
    words: words(`
      if elseif else endif foreach endforeach while endwhile function endfunction macro endmacro return
      include set
    `),
    constants: words("ON OFF TRUE FALSE"),
    sigil: "$",
  },
  html: { markup: true },
  diff: { lines: true },
};

const ALIASES = {
  "c++": "cpp",
  cc: "cpp",
  cxx: "cpp",
  h: "cpp",
  hpp: "cpp",
  cs: "csharp",
  "c#": "csharp",
  kt: "kotlin",
  golang: "go",
  rs: "rust",
  js: "javascript",
  mjs: "javascript",
  jsx: "javascript",
  node: "javascript",
  ts: "typescript",
  tsx: "typescript",
  py: "python",
  python3: "python",
  rb: "ruby",
  pl: "perl",
  jl: "julia",
  hs: "haskell",
  sh: "bash",
  shell: "bash",
  zsh: "bash",
  console: "bash",
  ps1: "powershell",
  pwsh: "powershell",
  postgres: "sql",
  postgresql: "sql",
  mysql: "sql",
  sqlite: "sql",
  jsonc: "json",
  json5: "json",
  jsonl: "json",
  yml: "yaml",
  scss: "css",
  less: "css",
  docker: "dockerfile",
  make: "makefile",
  xml: "html",
  svg: "html",
  vue: "html",
  htm: "html",
  xhtml: "html",
  patch: "diff",
  conf: "ini",
  properties: "ini",
  scala: "java",
  dart: "java",
  zig: "rust",
};

/** What is known of a language by the name in a code block; null: nothing. */
export function languageOf(name) {
  const key = name.toLowerCase();
  const known = Object.hasOwn(ALIASES, key) ? ALIASES[key] : key;
  return Object.hasOwn(LANGUAGES, known) ? LANGUAGES[known] : null;
}
