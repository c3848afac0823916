import { Component, type ReactNode } from 'react'

/** Shows in words that a chunk could not be fetched: the network is gone, or the server is. */
export default class LoadBoundary extends Component<
  { children: ReactNode },
  { failed: boolean }
> {
  state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  render() {
    if (!this.state.failed) {
      return this.props.children
    }
    return (
      <div role="alert">
        <h1>This part of the site did not load</h1>
        <button type="button" onClick={() => window.location.reload()}>
          Try again
        </button>
      </div>
    )
  }
}
