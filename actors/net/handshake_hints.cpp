#include "actors/net/handshake_hints.hpp"

#include <fmt/format.h>

#include <span>
#include <string_view>

namespace larql::actors {

namespace {

struct hint {
  std::string_view part; ///< of OpenSSL's text, or of ours
  std::string_view meaning;
};

constexpr std::string_view other_ca =
    "the two sides have certificates of different cluster CAs: compare their ca.pem";
// TLS 1.3: this side is done before the other has looked at its certificate, and the alert may be
// overtaken by the end of the connection.
constexpr std::string_view refused =
    "it most likely refuses this side's certificate; if the two sides have certificates of "
    "different cluster CAs, compare their ca.pem; its log says more";
constexpr std::string_view other_secret = "the two sides have different cluster secrets";
constexpr std::string_view other_kind = "one side has certificates, the other a cluster secret";
constexpr std::string_view no_tls =
    "the other side does not seem to speak TLS: has it certificates or a secret, and is this the "
    "node's own port?";

// By what this side has; the first that fits. Who has certificates and who a secret meet as
// certificates that nobody vouches for.
constexpr hint certificate_hints[] = {
    {"certificate has expired", "renew it: larql certs issue"},
    {"alert certificate expired", "renew this side's certificate: larql certs issue"},
    {"certificate is not yet valid", "the clocks of the two machines differ"},
    {"self-signed certificate in certificate chain", other_ca},
    {"unable to get local issuer certificate", other_ca},
    {"certificate signature failure", other_ca},
    {"alert unknown ca", other_ca},
    {"alert decrypt error", other_ca},
    {"alert handshake failure", other_kind},
    {"no suitable signature algorithm", other_kind},
    {"wrong version number", no_tls},
    {"http request", no_tls},
    {"TLS handshake: the peer closed the connection", no_tls},
    {"write: the peer closed the connection", refused},
    {"Connection reset", refused},
    {"Broken pipe", refused},
};
constexpr hint secret_hints[] = {
    {"binder does not verify", other_secret},
    {"alert illegal parameter", other_secret},
    {"alert decrypt error", other_secret},
    {"certificate", other_kind},
    {"alert handshake failure", other_kind},
    {"no suitable signature algorithm", other_kind},
    {"wrong version number", no_tls},
    {"http request", no_tls},
    {"TLS handshake: the peer closed the connection", no_tls},
};
constexpr hint plain_hints[] = {
    {"Connection reset", "a node with certificates or a secret wants them from this side too"},
    {"closed the connection", "a node with certificates or a secret wants them from this side too"},
    {"no answer in time", "is this the node's own port, and not its HTTP port?"},
};

} // namespace

failure with_hint(failure f, const tls_context_ptr& tls) {
  auto hints = std::span<const hint>{plain_hints};
  if (tls) // a secret proves no role, of this side either
    hints = tls->self().role == peer_role::anyone ? std::span<const hint>{secret_hints}
                                                  : std::span<const hint>{certificate_hints};
  for (const auto& h : hints)
    if (f.text.find(h.part) != std::string::npos) {
      f.text += fmt::format(" ({})", h.meaning);
      break;
    }
  return f;
}

} // namespace larql::actors
