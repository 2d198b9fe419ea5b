// larql logits: raw logits of every position, for comparing models, machines and versions.

#include "cli/laptop/local_runtime.hpp"
#include "cli/support/command.hpp"
#include "runtime/base/file_writer.hpp"

namespace larql::cli {

namespace {

struct options {
  runtime_options runtime;
  std::string ids;
  std::filesystem::path output;
};

result<void> run(options& o) {
  LARQL_TRY_VOID(complete(o.runtime));
  LARQL_TRY(const auto ids, parse_ids(o.ids, "--ids"));
  LARQL_TRY(const auto e, local_runtime::start(o.runtime, {}, {}));
  LARQL_TRY(const auto session, e->new_session(static_cast<std::uint32_t>(ids.size())));
  LARQL_TRY(auto out, file_writer::create(o.output));
  auto written = result<void>{};
  LARQL_TRY_VOID(session->append(ids, [&](std::span<const float> logits) {
    if (written)
      written = out.write(std::as_bytes(logits));
  }));
  LARQL_TRY_VOID(std::move(written));
  return out.commit();
}

} // namespace

void add_logits(CLI::App& app, action& chosen) {
  auto* command = app.add_subcommand(
      "logits", "Write the logits of given token ids as raw little-endian f32 [tokens][vocab]");
  auto o = std::make_shared<options>();
  o->runtime.kv = "f32";
  add_runtime_options(*command, o->runtime);
  command->add_option("--ids", o->ids, "Token ids, separated by spaces")->required();
  command->add_option("-o,--output", o->output, "File to write")->required();
  command->callback([o, &chosen] { chosen = [o] { return exit_code(run(*o)); }; });
}

} // namespace larql::cli
