/** The charts' library, which the service hands out under this name as it was installed. */
export { default } from 'uplot';
