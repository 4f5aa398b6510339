// SPDX-License-Identifier: MIT
// Expected<T, E>: the value or why there is none. The part of std::expected (C++23) that gcc 12's and clang
// 14's C++20 lack, with [[nodiscard]] on the class and a check where std::expected throws or is undefined.
#pragma once

#include <concepts>
#include <new>
#include <type_traits>
#include <utility>

#include "isa/check.h"

namespace vtless {

// Marks a value as the error: `return Unexpected(error)`.
template <class E>
class Unexpected {
  public:
    constexpr explicit Unexpected(E error) : error_(std::move(error)) {}
    constexpr const E& error() const& { return error_; }
    constexpr E&& error() && { return std::move(error_); }

  private:
    E error_;
};

namespace detail {

// The union and its tag. Trivially copyable if both sides are (clang 14 has no conditionally trivial members,
// so by specialization); else it only moves.
template <class T, class E, bool kTrivial = std::is_trivially_copyable_v<T>&& std::is_trivially_copyable_v<E>>
struct ExpectedStorage {
    template <class... Args>
    constexpr explicit ExpectedStorage(std::true_type, Args&&... args)
        : value(std::forward<Args>(args)...), has_value(true) {}
    template <class... Args>
    constexpr explicit ExpectedStorage(std::false_type, Args&&... args)
        : error(std::forward<Args>(args)...), has_value(false) {}

    union {
        T value;
        E error;
    };
    bool has_value;
};

template <class T, class E>
struct ExpectedStorage<T, E, false> {
    template <class... Args>
    explicit ExpectedStorage(std::true_type, Args&&... args)
        : value(std::forward<Args>(args)...), has_value(true) {}
    template <class... Args>
    explicit ExpectedStorage(std::false_type, Args&&... args)
        : error(std::forward<Args>(args)...), has_value(false) {}
    ExpectedStorage(ExpectedStorage&& other) : has_value(other.has_value) { take(other); }
    ExpectedStorage& operator=(ExpectedStorage&& other) {
        if (this != &other) {
            destroy();
            has_value = other.has_value;
            take(other);
        }
        return *this;
    }
    ~ExpectedStorage() { destroy(); }

    void take(ExpectedStorage& other) {
        if (has_value) {
            ::new (static_cast<void*>(&value)) T(std::move(other.value));
        } else {
            ::new (static_cast<void*>(&error)) E(std::move(other.error));
        }
    }
    void destroy() {
        if (has_value) {
            value.~T();
        } else {
            error.~E();
        }
    }

    union {
        T value;
        E error;
    };
    bool has_value;
};

}  // namespace detail

template <class T, class E>
class [[nodiscard]] Expected {
  public:
    using value_type = T;
    using error_type = E;

    // Builds T from U in place: a returned exit is written once, where the caller reads it.
    template <class U = T>
    requires(std::constructible_from<T, U&&> &&
             !std::same_as<std::remove_cvref_t<U>, Expected>) constexpr Expected(U&& value)
        : storage_(std::true_type{}, std::forward<U>(value)) {}
    template <class... Args>
    requires std::constructible_from<T, Args&&...>
    constexpr explicit Expected(std::in_place_t, Args&&... args)
        : storage_(std::true_type{}, std::forward<Args>(args)...) {}
    template <class G>
    requires std::constructible_from<E, G&&>
    constexpr Expected(Unexpected<G>&& error) : storage_(std::false_type{}, std::move(error).error()) {}
    template <class G>
    requires std::constructible_from<E, const G&>
    constexpr Expected(const Unexpected<G>& error) : storage_(std::false_type{}, error.error()) {}

    constexpr bool has_value() const { return storage_.has_value; }
    constexpr explicit operator bool() const { return storage_.has_value; }

    constexpr T& value() & { return VTLESS_CHECK(has_value()), storage_.value; }
    constexpr const T& value() const& { return VTLESS_CHECK(has_value()), storage_.value; }
    constexpr T&& value() && { return VTLESS_CHECK(has_value()), std::move(storage_.value); }

    constexpr T& operator*() & { return VTLESS_DCHECK(has_value()), storage_.value; }
    constexpr const T& operator*() const& { return VTLESS_DCHECK(has_value()), storage_.value; }
    constexpr T&& operator*() && { return VTLESS_DCHECK(has_value()), std::move(storage_.value); }
    constexpr T* operator->() { return VTLESS_DCHECK(has_value()), &storage_.value; }
    constexpr const T* operator->() const { return VTLESS_DCHECK(has_value()), &storage_.value; }

    constexpr const E& error() const& { return VTLESS_CHECK(!has_value()), storage_.error; }
    constexpr E&& error() && { return VTLESS_CHECK(!has_value()), std::move(storage_.error); }

  private:
    detail::ExpectedStorage<T, E> storage_;
};

template <class E>
class [[nodiscard]] Expected<void, E> {
  public:
    using value_type = void;
    using error_type = E;

    constexpr Expected() = default;
    template <class G>
    requires std::constructible_from<E, const G&>
    constexpr Expected(const Unexpected<G>& error) : error_(error.error()), has_value_(false) {}

    constexpr bool has_value() const { return has_value_; }
    constexpr explicit operator bool() const { return has_value_; }
    constexpr void value() const { VTLESS_CHECK(has_value_); }
    constexpr const E& error() const { return VTLESS_CHECK(!has_value_), error_; }

  private:
    E error_{};
    bool has_value_ = true;
};

}  // namespace vtless
