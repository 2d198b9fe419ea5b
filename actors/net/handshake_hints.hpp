// What a failed handshake most likely means to whoever set the cluster up. TLS libraries name the
// alert; people want to know which file is the wrong one.
//
// Threads   Pure functions.

#pragma once

#include "actors/net/tls_context.hpp"
#include "runtime/base/result.hpp"

namespace larql::actors {

/// The failure of dialling, accepting or greeting a peer, with the likely cause in brackets behind
/// its text. `tls` is what this side used; null for a plain connection.
[[nodiscard]] failure with_hint(failure f, const tls_context_ptr& tls);

/// The same of what may have failed.
template <class T>
[[nodiscard]] result<T> with_hint(result<T> r, const tls_context_ptr& tls) {
  if (!r)
    return with_hint(std::move(r).error(), tls);
  return r;
}

} // namespace larql::actors
