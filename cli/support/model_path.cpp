#include "cli/support/model_path.hpp"

#include "cli/support/hub_model.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/local_model.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/mapped_file.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace larql::cli {

result<hub::http_settings> hub_settings(std::stop_token stop) {
  auto out = hub::http_settings{};
  LARQL_TRY(out.access, hub::read_access(process_environment));
  out.user_agent = user_agent();
  out.stop = std::move(stop);
  out.on_notice = [](const std::string& text) { log_warning("hub", "{}", text); };
  return out;
}

std::function<void(const hub::pull_progress&)> pull_progress_line() {
  struct shown {
    std::optional<progress_line> line;
    bool full = false;
  };
  return [s = std::make_shared<shown>()](const hub::pull_progress& p) {
    if (!s->line)
      s->line.emplace("pull");
    if (!std::exchange(s->full, p.done_bytes >= p.total_bytes)) // the checks at the end are quiet
      s->line->update(p.done_bytes, p.total_bytes, p.file);
  };
}

std::string unchecked_note(const hub::pull_outcome& done) {
  return done.unchecked_bytes == 0
             ? std::string{}
             : fmt::format("; {} could not be checked", format_bytes(done.unchecked_bytes));
}

result<hub::pull_outcome> pull_with_progress(const hub::repo& from,
                                             const hub::pull_request& request,
                                             const std::filesystem::path& to,
                                             hub::pull_options options) {
  options.on_progress = pull_progress_line();
  return hub::pull(from, request, to, options);
}

result<void> fill_directory(const hub::repo& from, const std::filesystem::path& to,
                            const hub::pull_request& needs, const std::stop_token& stop) {
  auto options = hub::pull_options{};
  LARQL_TRY(options.http, hub_settings(stop));
  options.keep_commit = true;
  options.wait_for_others = true;
  LARQL_TRY(const auto done, pull_with_progress(from, needs, to, std::move(options)));
  log_info("hub", "{} at {}: {} here, {} fetched", from.id(), done.commit.substr(0, 12),
           format_bytes(done.wanted_bytes), format_bytes(done.fetched_bytes));
  return {};
}

result<std::filesystem::path> resolve_model(const std::string& model,
                                            const hub::pull_request& needs,
                                            const std::stop_token& stop) {
  if (!hub::is_hub_path(model))
    return open_local_model(model, needs, stop);
  LARQL_TRY(const auto address, hub::parse_model_address(model));
  LARQL_TRY(const auto to, cached_model_path(address.repo, process_environment));
  return open_hub_model(address, to, needs, stop);
}

result<std::filesystem::path> resolve_model(const std::string& model,
                                            const hub::pull_request& needs) {
  const auto signals = interrupt_scope{};
  return resolve_model(model, needs, signals.token());
}

result<std::filesystem::path> cached_model(const std::string& model) {
  if (!hub::is_hub_path(model))
    return std::filesystem::path{model};
  LARQL_TRY(const auto address, hub::parse_model_address(model));
  LARQL_TRY(const auto dir, cached_model_path(address.repo, process_environment));
  return find_hub_model(address, dir);
}

result<void> require_directory(const std::string& model, std::string_view instead) {
  return hub::is_hub_path(model)
             ? fail(errc::usage, "{}: expected a directory of this machine; {}", model, instead)
             : result<void>{};
}

hub::pull_request laptop_needs() {
  auto out = hub::pull_request{};
  out.preset = "moe-client";
  return out;
}

} // namespace larql::cli
