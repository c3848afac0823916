import { lazy, Suspense } from 'react'
import { Link, NavLink, Route, Routes } from 'react-router-dom'
import Catalogue from './pages/Catalogue.tsx'
import LoadBoundary from './LoadBoundary.tsx'

// Each of these becomes a chunk that is fetched when its route is first gone to.
const CairnPage = lazy(() => import('./pages/CairnPage.tsx'))
const Building = lazy(() => import('./pages/Building.tsx'))

function NotFound() {
  return (
    <>
      <h1>No path leads here</h1>
      <p>
        <Link to="/">Back to the catalogue</Link>
      </p>
    </>
  )
}

export default function App() {
  return (
    <>
      <header>
        <Link className="name" to="/">
          Waymarks
        </Link>
        <nav aria-label="Main">
          <NavLink to="/" end>
            Catalogue
          </NavLink>
          <NavLink to="/building">How they are built</NavLink>
        </nav>
      </header>
      <main>
        <LoadBoundary>
          <Suspense fallback={<p role="status">Loading…</p>}>
            <Routes>
              <Route path="/" element={<Catalogue />} />
              <Route path="/cairns/:slug" element={<CairnPage />} />
              <Route path="/building" element={<Building />} />
              <Route path="*" element={<NotFound />} />
            </Routes>
          </Suspense>
        </LoadBoundary>
      </main>
    </>
  )
}
