package jenkins.util

import java.util.concurrent.Executors
import java.util.concurrent.ScheduledExecutorService

/** Stands in for Jenkins': the threads of its timed tasks. */
class Timer {

    private static ScheduledExecutorService executor

    static synchronized ScheduledExecutorService get() {
        executor = executor ?: Executors.newScheduledThreadPool(2) { task ->
            Thread thread = new Thread(task, 'jenkins.util.Timer')
            thread.daemon = true
            return thread
        }
        return executor
    }

    static synchronized void shutdown() {
        executor?.shutdownNow()
        executor = null
    }

}
