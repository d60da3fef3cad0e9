# SPDX-License-Identifier: GPL-2.0
"""The page: text in sections, and the checks that what it says is true."""
import os
import sys

WIDTH = 100
BAR = 30


def progress(text):
    """One line for whoever waits; tests/demo/run tells it from the page by its first character."""
    sys.stdout.write(f'\x1e{text}\n')
    sys.stdout.flush()


class Page:
    """Lines are shown when they are made."""
    def __init__(self):
        self.checks = 0
        self.sections = 0
        self.untrue = []
        self.colour = os.environ.get('KSVC_DEMO_COLOUR') == 'yes'

    def styled(self, code, text):
        return f'\x1b[{code}m{text}\x1b[0m' if self.colour else text

    def check(self, truth, statement):
        self.checks += 1
        if not truth:
            self.untrue.append(statement)
        return truth

    def line(self, text='', note=''):
        """note: what the line means, at its right."""
        text = text.rstrip()
        if len(text) + len(note) + 2 > WIDTH and note:
            self.line(text)
            text = ''
        gap = max(2, WIDTH - len(text) - len(note)) if note else 0
        if len(text) + gap + len(note) > WIDTH:
            self.untrue.append(f'a line has at most {WIDTH} columns: {text}{note}')
        print(text + ' ' * gap + (self.styled('2', note) if note else ''), flush=True)

    def section(self, title):
        self.sections += 1
        print('\n' + self.styled('1', f'{self.sections}  {title}'), flush=True)

    def command(self, where, words):
        """A command as one would type it, wrapped at its options."""
        text = f'   {where}# '
        indent = ' ' * (len(text) + 4)
        for i, word in enumerate(words):
            if len(text) + len(word) + 3 > WIDTH:
                self.line(text + '\\')
                text = indent
            text += word + (' ' if i + 1 < len(words) else '')
        self.line(text)

    def output(self, text):
        for line in text.rstrip('\n').split('\n'):
            self.line('   ' + line)

    def bars(self, rows, total):
        """rows: (label, count, note)."""
        width = max(len(label) for label, _, _ in rows)
        for label, count, note in rows:
            bar = '█' * round(count * BAR / total)
            self.line(f'   {label:{width}}  {count:3}  {bar}', note)


def plausible(count, total, share):
    """Within seven standard deviations, which honest runs do not leave."""
    return abs(count - total * share) <= 7 * (total * share * (1 - share)) ** 0.5
