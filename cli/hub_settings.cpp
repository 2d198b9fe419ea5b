#include "cli/hub_settings.hpp"

#include "cli/node_settings.hpp"
#include "cli/version.hpp"
#include "runtime/base/log.hpp"

namespace larql::cli {

result<hub::http_settings> hub_settings(std::function<bool()> stopped) {
  auto out = hub::http_settings{};
  LARQL_TRY(out.access, hub::read_access(process_environment));
  out.user_agent = user_agent();
  out.stopped = std::move(stopped);
  out.on_notice = [](const std::string& text) { log_warning("hub", "{}", text); };
  return out;
}

} // namespace larql::cli
