#include "cli/node/protection.hpp"

#include "runtime/base/log.hpp"

namespace larql::cli {

void log_expiring(const std::vector<actors::certificate_facts>& certificates) {
  for (const auto& text : actors::expiring(certificates, std::chrono::system_clock::now()))
    log_warning("tls", "{}", text);
}

result<actors::tls_context_ptr> load_protection(const node_settings& s, node_health& health) {
  const auto& files = s.protect.files;
  LARQL_TRY(auto out, actors::tls_context::from(s.protect)); // says which file is missing
  if (!files.any()) {
    if (const auto& secret = s.protect.secret_file; !secret.empty())
      if (const auto ok = actors::check_private(secret); !ok)
        log_warning("tls", "{}", ok.error().text);
    return out;
  }
  LARQL_TRY_VOID(actors::check_member(files, actors::peer_role::node, s.name));
  if (const auto& self = out->self(); s.reach && !self.may_call())
    return fail(errc::usage,
                "--reach: the certificate of {} does not allow it to call other nodes: larql certs "
                "issue {} --allow calls-nodes --force",
                self.name, self.name);
  LARQL_TRY(auto certificates, actors::read_certificates(files));
  log_expiring(certificates);
  health.set_certificates(std::move(certificates));
  return out;
}

} // namespace larql::cli
