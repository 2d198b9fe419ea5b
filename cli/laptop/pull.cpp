// larql pull: a model, or the part of it that a role needs, from the Hub.

#include "runtime/hub/pull.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/model_path.hpp"
#include "cli/support/number_check.hpp"
#include "cli/support/progress.hpp"

namespace larql::cli {

namespace {

struct options {
  std::string source;
  std::filesystem::path destination;
  std::string preset;
  std::string parts;
  std::string experts;
  std::string layers;
  unsigned connections = 8;
  bool check = false;
};

std::string preset_help() {
  auto out = std::string{"What the machine is to be (default: all, or moe-experts with --experts "
                         "or --layers):"};
  for (const auto& p : vindex::presets())
    out += fmt::format("\n  {}: {}", p.name, p.purpose);
  return out;
}

result<hub::pull_request> request_of(const options& o) {
  auto out = hub::pull_request{};
  if (!o.experts.empty()) {
    LARQL_TRY(out.experts, experts::parse_range(o.experts, "--experts"));
  }
  if (!o.layers.empty()) {
    LARQL_TRY(out.layers, experts::parse_range(o.layers, "--layers"));
  }
  if (!o.parts.empty()) {
    LARQL_TRY(out.parts, vindex::parse_parts(o.parts, "--parts"));
  }
  out.preset = !o.preset.empty() ? o.preset : out.experts || out.layers ? "moe-experts" : "all";
  LARQL_TRY([[maybe_unused]] const auto* known, vindex::find_preset(out.preset));
  return out;
}

result<void> run(options o, const std::stop_token& stop) {
  LARQL_TRY(const auto from, hub::parse_hub_path(o.source));
  LARQL_TRY(const auto request, request_of(o));
  if (o.destination.empty()) {
    LARQL_TRY(o.destination, cached_model_path(from, process_environment));
  }
  auto p = hub::pull_options{};
  p.connections = o.connections;
  p.check = o.check;
  LARQL_TRY(p.http, hub_settings(stop));
  LARQL_TRY(const auto done, pull_with_progress(from, request, o.destination, std::move(p)));
  say("{} at {}: {} here, {} fetched", from.id(), done.commit.substr(0, 12),
      format_bytes(done.wanted_bytes), format_bytes(done.fetched_bytes));
  if (done.unchecked_bytes != 0)
    say("{} of that could not be checked: the repository has no checksums.json",
        format_bytes(done.unchecked_bytes));
  print_text(o.destination.string() + '\n'); // as scripts need it
  return {};
}

} // namespace

void add_pull(command_parser& app, action& chosen) {
  auto command = app.add_command(
      "pull", "Download a model, or a part of it, from Hugging Face; goes on where it stopped");
  auto o = std::make_shared<options>();
  command.add_option("source", o->source, "hf://OWNER/NAME, or hf://OWNER/NAME@REVISION")
      .required();
  command
      .add_option("-o,--output", o->destination,
                  "Directory to fill (default: the cache, where run and larql-node look)")
      .check([](const std::string& s) {
        return s.empty() ? std::string{"the output has an empty name"} : std::string{};
      });
  auto preset = command.add_option("--preset", o->preset, preset_help());
  command.add_option("--parts", o->parts, "Parts, with commas between, instead of a preset")
      .excludes(preset);
  command.add_option("--experts", o->experts, "Only these experts, FIRST-LAST");
  command.add_option("--layers", o->layers, "Only these layers' experts, FIRST-LAST");
  command.add_option("--connections", o->connections, "Connections at once")
      .check(whole_number(1, 64))
      .show_default();
  command.add_flag("--check", o->check,
                   "Hash what is here already, and fetch again what a disk has changed");
  command.footer("larql pull hf://ann/gemma4-vindex\n"
                 "larql pull hf://ann/gemma4-vindex -o node.vindex --experts 0-63");
  command.callback([o, &chosen] {
    chosen = [o] {
      const auto signals = interrupt_scope{};
      return exit_code(run(*o, signals.token()));
    };
  });
}

} // namespace larql::cli
