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
// The other side gives this alert as well if it has a secret and knows no CA at all.
constexpr std::string_view other_ca_or_kind =
    "the two sides have certificates of different cluster CAs: compare their ca.pem; or one side "
    "has certificates, the other a cluster secret";
// Which one of the chain has expired is not said.
constexpr std::string_view expired =
    "renew the peer's: larql certs issue; if it is the CA that has expired, no certificate of it "
    "helps: larql certs list shows which";
constexpr std::string_view own_expired =
    "renew this side's: larql certs issue; if it is the CA that has expired, no certificate of it "
    "helps: larql certs list shows which";
constexpr std::string_view own_dates = "the other side does not take this side's certificate; if "
                                       "it is not valid yet there, the clocks "
                                       "of the two machines differ; its log says more";
constexpr std::string_view other_secret = "the two sides have different cluster secrets";
constexpr std::string_view other_kind = "one side has certificates, the other a cluster secret";
constexpr std::string_view no_tls =
    "the other side does not seem to speak TLS: has it certificates or a secret, and is this the "
    "node's own port?";

constexpr std::string_view no_protection = "nobody answers behind this address, or it is a node "
                                           "with certificates or a secret, which wants "
                                           "them from this side too";
constexpr std::string_view silent =
    "somebody takes connections there and says nothing: a node that is stopped or overloaded, or "
    "its HTTP port";

// By what this side has; the first that fits. Who has certificates and who a secret meet as
// certificates that nobody vouches for.
constexpr hint certificate_hints[] = {
    {"certificate has expired", expired},
    {"alert certificate expired", own_expired},
    {"alert bad certificate", own_dates},
    {"certificate is not yet valid", "the clocks of the two machines differ"},
    {"self-signed certificate in certificate chain", other_ca},
    {"unable to get local issuer certificate", other_ca},
    {"certificate signature failure", other_ca},
    {"alert unknown ca", other_ca_or_kind},
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
    {"Connection reset", no_protection},
    {"closed the connection", no_protection},
    {"no answer in time", silent},
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
