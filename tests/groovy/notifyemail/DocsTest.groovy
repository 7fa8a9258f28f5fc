package notifyemail

import org.junit.Test

/** The Pipelines in README.md, in the docs and in the step's help run as they stand, and the step takes their arguments. */
class DocsTest extends PipelineTest {

    /** Blocks and steps that the Pipelines use beside those of the harness. */
    private static final List<String> OTHERS = ['pipeline', 'agent', 'stages', 'steps', 'post', 'always', 'cleanup', 'library', 'work']

    @Test
    void 'each example reports the build, if it calls the step'() {
        List<String> examples = pages().collectMany { page -> page.name.endsWith('.txt') ? paragraphs(page) : fences(page) }
        assert examples.count { example -> example.contains('notifyEmail(') } >= 7
        examples.each { example ->
            both {
                controller.given.any = 'any'
                (OTHERS + ['sh', 'junit']).each { step -> controller.steps.instead[step] = { null } }
                controller.run(example)
                int calls = example.count('notifyEmail(') - (example.contains('catch (e)') ? 1 : 0)
                assert service.requests.size() == calls
            }
        }
    }

    private static List<File> pages() {
        return [new File('README.md'), new File('vars/notifyEmail.txt')] + new File('docs').listFiles().findAll { file ->
            file.name.endsWith('.md')
        }
    }

    private static List<String> fences(File page) {
        return page.getText('UTF-8').findAll(/(?s)```groovy\n(.*?)```/) { whole, code -> code }
    }

    /** Return the paragraphs that are code: those that end a block or a call. */
    private static List<String> paragraphs(File page) {
        return page.getText('UTF-8').split('\n\n').findAll { text ->
            text.contains('notifyEmail(') && text.trim()[-1] in ['}', ')']
        } as List
    }

}
