import { defineConfig } from 'vite'
import react from '@vitejs/plugin-react'

export default defineConfig({
  plugins: [react()],
  build: {
    // Images stay files, whatever their size: each has a name of its own content and is kept for a year.
    assetsInlineLimit: 0,
  },
})
