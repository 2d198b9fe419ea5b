// larql logits: raw logits of every position, for comparing models, machines and versions.

#include "cli/laptop/local_runtime.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "runtime/base/output_file.hpp"

#include <stop_token>

namespace larql::cli {

namespace {

struct options {
  runtime_options runtime;
  std::string ids;
  std::filesystem::path output;
  bool force = false;
};

// Rows of logits that are computed and written at a time: each has as many numbers as the
// vocabulary.
constexpr std::size_t rows_at_a_time = 16;

// The logits of the tokens from `first` on, whose rows are those of the last chunk.
result<void> write_logits(local_runtime& e, const generate::sequence& s, std::uint32_t first,
                          output_file& out) {
  auto rows = std::vector<generate::executor::row>{};
  for (auto i = first; i < s.size(); ++i) {
    rows.push_back({&s, i});
    if (rows.size() < rows_at_a_time && i + 1 != s.size())
      continue;
    LARQL_TRY(const auto logits, e.executor().logits(rows));
    LARQL_TRY_VOID(out.write(std::as_bytes(logits)));
    rows.clear();
  }
  return {};
}

result<void> run(options& o, const std::stop_token& stop) {
  LARQL_TRY_VOID(complete(o.runtime));
  LARQL_TRY(const auto ids, parse_ids(o.ids, "--ids"));
  LARQL_TRY(auto out, output_file::open(o.output, o.force));
  LARQL_TRY(const auto e, local_runtime::start(o.runtime, stop));
  LARQL_TRY(const auto sequence, e->new_sequence(static_cast<std::uint32_t>(ids.size())));
  // How many tokens a chunk has is the executor's choice, and only the last one's rows are kept.
  auto ends = std::stop_source{};
  const auto on_stop = std::stop_callback{stop, [&] { ends.request_stop(); }};
  auto written = result<void>{};
  auto first = std::uint32_t{0};
  auto read = e->executor().append(*sequence, ids, ends.get_token(), [&](std::uint32_t size) {
    if (written)
      written = write_logits(*e, *sequence, first, out);
    if (!written)
      ends.request_stop();
    first = size;
  });
  LARQL_TRY_VOID(std::move(written));
  LARQL_TRY_VOID(std::move(read));
  return out.commit();
}

} // namespace

void add_logits(command_parser& app, action& chosen) {
  auto command =
      app.add_command("logits", "Write the logits of token ids as raw f32 [tokens][vocab]");
  auto o = std::make_shared<options>();
  o->runtime.kv = "f32";
  add_runtime_options(command, o->runtime);
  command.add_option("--ids", o->ids, "Token ids, separated by spaces").required();
  command.add_option("-o,--output", o->output, "File, pipe or device to write; -: standard output")
      .required();
  command.add_flag("--force", o->force, "Replace an existing file");
  command.footer("larql logits gemma4.vindex --ids \"2 105 514\" -o logits.f32\n"
                 "larql logits gemma4.vindex --ids \"2 105 514\" -o a.f32 --topology cluster.toml");
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      return exit_code(run(*o, signals.token()));
    };
  });
}

} // namespace larql::cli
