// The certificates or the secret that a node protects its connections with, read at start and again
// on SIGHUP.

#pragma once

#include "actors/net/member_files.hpp"
#include "actors/net/tls_context.hpp"
#include "cli/node/health.hpp"
#include "cli/node/settings.hpp"

namespace larql::cli {

/// Reads what the settings name, and checks that a node of that name can serve with it, and call
/// others if it is a relay; null without protection. Tells `health` until when certificates are
/// valid, and logs those that expire soon.
[[nodiscard]] result<actors::tls_context_ptr> load_protection(const node_settings& s,
                                                              node_health& health);

/// Logs the certificates that expire soon.
void log_expiring(const std::vector<actors::certificate_facts>& certificates);

} // namespace larql::cli
